// The emotion head of transformers' WhisperForAudioClassification, and its loss.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "adapter/method.h"
#include "base/range.h"
#include "whisper/encoder.h"

namespace loralens {

inline constexpr Range<int64_t> projections{1, 16'384};
inline constexpr Range<int64_t> class_counts{2, 10'000};

struct HeadOptions {
  int64_t projection = 256;        // P, classifier_proj_size
  bool weighted_layer_sum = false;  // of the embedding and all layers, instead of the last layer alone
};

// logits = classifier(projector(mean over the clip's positions)); no nonlinearity. transformers projects each position
// before the mean; as both are linear, the mean comes first here.
struct Head {
  Linear projector;          // P×D
  Linear classifier;         // C×P
  at::Tensor layer_weights;  // N+1 before the softmax, or undefined: the last layer alone
};

// Weights N(0, 0.02), biases 0, layer weights 1/(N+1): transformers' start. Leaves that require a gradient, in the
// type and on the device of the encoder's sums. Error for a width or a number of classes out of range.
Head make_head(const Encoder& encoder, int64_t classes, const HeadOptions& options, uint64_t seed);

// "projector.weight", "projector.bias", "classifier.weight", "classifier.bias" and, if there, "layer_weights".
std::vector<Parameter> parameters_of(const Head& head);

// Mean of x (ΣT×D) over the positions of each clip: B×D.
at::Tensor mean_over_clips(const at::Tensor& x, const Pass& pass);

// states: B×D of the normed last layer, or, for a weighted layer sum, B×(N+1)×D of all hidden states. Returns B×C.
at::Tensor logits(const Head& head, const at::Tensor& states, const Pass& pass);

struct LossOptions {
  std::vector<double> class_weights;  // C, or empty: all 1
  double label_smoothing = 0;         // [0, 1)
};

// Cross-entropy, the mean over clips (weighted by their classes' weights, as torch's); nats.
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels, const LossOptions& options);

}  // namespace loralens
