// SPDX-License-Identifier: Apache-2.0
// The tuned lens (Belrose et al., 2023, arXiv 2303.08112) for a classifier that pools over positions: an affine map of
// the residual stream, per position and before the final norm, from which the head predicts the model's final output.
//
// Each layer's map minimises the mean over clips of KL(final ‖ lens), plus ridge·(‖U‖² + ‖b‖²), on some positions of
// each clip. U and b start at 0 (the plain lens), so a large ridge keeps the map near it. The map has more parameters
// than there are clips, so it is a probe. Its control is the same map fitted to permuted answers (Hewitt and Liang,
// Designing and Interpreting Probes with Control Tasks, EMNLP 2019).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "whisper/encoder.h"

namespace loralens {

// Maps a layer's residual stream to class logits.
struct LensHead {
  Norm norm;  // the final norm; undefined: none is applied
  Linear head;  // C×D, projector and classifier as one

  at::Tensor normed(const at::Tensor& x) const;  // of the same shape
  at::Tensor logits(const at::Tensor& pooled) const;  // ..×D -> ..×C
};

struct LensSamples {
  at::Tensor positions;  // n×P×D of n clips, one layer's residual stream
  at::Tensor final;  // n×C, the model's own log-probabilities
};

struct TunedMap {
  at::Tensor u, b;  // D×D, D
  double ridge = 0;  // the chosen one; infinite: the plain lens was best, u and b are 0
  double kl = 0;  // mean over the clips that the ridge was chosen on, nats

  at::Tensor operator()(const at::Tensor& x) const;  // x + x U + b
};

struct TunedLensOptions {
  std::vector<double> ridges = {1, 0.3, 0.1, 0.03, 0.01};
  int64_t steps = 80;  // of AdamW, for each ridge from U = 0 and b = 0
  int64_t batch = 32;  // clips a step
  int64_t batch_positions = 4;  // positions of each clip a step
  double learning_rate = 0.15;  // divided by D, so that steps have equal effect at any width; decays to a tenth
};

// Mean over clips of KL(final ‖ lens), nats.
double mean_kl(const LensHead& head, const LensSamples& samples, const TunedMap& map);

// The map for one ridge, from clips. kl is NaN. Enables autograd itself.
TunedMap fit_map(const LensHead& head, const LensSamples& clips, double ridge, const TunedLensOptions& options = {});

// Fits on `fit` for each ridge and returns the map of lowest KL on `choose` (or the plain lens); both must have clips.
TunedMap fit_tuned_lens(const LensHead& head, const LensSamples& fit, const LensSamples& choose,
                        const TunedLensOptions& options = {});

// The control: a map fitted to permuted answers, that is, to `fit` with the final log-probabilities of other clips. Its
// ridge is that of `tuned`, or the largest one if `tuned` is the plain lens.
TunedMap fit_to_permuted(const LensHead& head, const LensSamples& fit, const TunedMap& tuned, uint64_t seed,
                         const TunedLensOptions& options = {});

}  // namespace loralens
