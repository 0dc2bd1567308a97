// SPDX-License-Identifier: Apache-2.0
// The emotion classification head of transformers' WhisperForAudioClassification, and its cross-entropy loss.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "adapter/method.h"
#include "base/range.h"
#include "whisper/encoder.h"

namespace loralens {

inline constexpr Range<int64_t> projections{1, 16'384};
inline constexpr Range<int64_t> class_counts{2, 10'000};

struct HeadOptions {
  int64_t projection = 256;        // P, classifier_proj_size
  bool weighted_layer_sum = false;  // reads a learned weighted mean of all hidden states; false: the last one
  // A head for training/read_out.h to fill: P = C, projector 0, classifier the identity. The fields above have no
  // effect.
  bool logistic = false;
};

// Hidden states are numbered as in transformers: 0 is the embedding, l = 1..N-1 the residual stream after layer l - 1,
// and N the final norm's output. logits = classifier(projector(mean over the clip's positions)); no nonlinearity.
// transformers projects each position before the mean; as both are linear, the mean comes first here.
struct Head {
  Linear projector;  // P×D
  Linear classifier;  // C×P
  at::Tensor layer_weights;  // N+1, before the softmax; undefined: the head reads one hidden state
  std::optional<int64_t> hidden_state = {};  // the one it reads, 0..N-1; none: the last, N

  bool reads_last_layer() const { return !layer_weights.defined() && !hidden_state; }
};

// Initialises a head as transformers does: weights normal with standard deviation 0.02, biases 0, layer weights
// 1/(N+1); HeadOptions::logistic as stated there. The tensors are leaves that require a gradient, of the type
// Precision::sums and on the encoder's device. Error for a projection width or a number of classes out of range.
Head make_head(const Encoder& encoder, int64_t classes, const HeadOptions& options, uint64_t seed);

// "projector.weight", "projector.bias", "classifier.weight", "classifier.bias" and, if defined, "layer_weights".
std::vector<Parameter> parameters_of(const Head& head);

// Mean pooling: the mean of x (ΣT×D) over the positions of each clip, B×D. Padding rows are ignored.
at::Tensor mean_over_clips(const at::Tensor& x, const Pass& pass);

// states: the pooled hidden state that the head reads, B×D, or all pooled hidden states, B×(N+1)×D, which a weighted
// layer sum needs and from which other heads select theirs. Returns B×C.
at::Tensor logits(const Head& head, const at::Tensor& states, const Pass& pass);

struct LossOptions {
  std::vector<double> class_weights;  // C, or empty: all 1
  double label_smoothing = 0;  // [0, 1)
};

// Cross-entropy in nats. labels: B class numbers, or B×C probabilities. With class weights the sum over clips is
// divided by the sum of the labels' weights: as in torch for class numbers, whereas torch divides by B for
// probabilities.
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels, const LossOptions& options);

}  // namespace loralens
