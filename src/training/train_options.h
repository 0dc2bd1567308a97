// SPDX-License-Identifier: Apache-2.0
// Options of training: epochs, batches, optimiser, regularisation, early stopping.
#pragma once

#include <cstdint>
#include <string>

#include "base/range.h"
#include "training/augment/spec_augment.h"

namespace loralens {

// How the epoch is chosen whose weights are kept.
enum class Selection {
  last,         // the last epoch
  development,  // best UAR on the development part; ties: lowest loss
  test,         // best accuracy on the test part, as in the published code; the test result is then optimistic
};

// Valid ranges of the options.
namespace train_ranges {
inline constexpr Range<int64_t> epochs{1, 10'000}, head_epochs{0, 10'000}, patience{0, 10'000, Ends::both, true};
inline constexpr Range<int64_t> batch{1, 4096}, batch_frames{0, 10'000'000, Ends::both, true}, accumulate{1, 10'000};
inline constexpr Range<int64_t> watch{0, 1'000'000'000, Ends::both, true}, seed{0, INT64_MAX / 2};
inline constexpr Range<int64_t> seeds{1, 1000};
inline constexpr Range<int64_t> time_masks{0, 1000}, mel_masks{0, 128}, mel_width{0, 128};
inline constexpr Range<double> learning_rate{0, 10, Ends::none}, weight_decay{0, 1000}, time_share{0, 1};
inline constexpr Range<double> clip_norm{0, 1e6, Ends::both, true}, average{0, 1, Ends::low, true};
inline constexpr Range<double> layer_decay{0, 1, Ends::high}, penalty{0, 1e6, Ends::both, true};
inline constexpr Range<double> specialize_weight{0, 1e6, Ends::high};
inline constexpr Range<double> share{0, 1, Ends::low};  // warmup, position_dropout, label_smoothing
}  // namespace train_ranges

struct TrainOptions {
  int64_t epochs = 12;
  int64_t head_epochs = 0;    // epochs of head-only training before these, on the initial encoder's states
  int64_t batch = 8;          // clips in a batch
  int64_t batch_frames = 0;   // > 0: maximum positions in a batch, instead of `batch`
  bool by_length = true;      // batches of clips of similar length
  int64_t accumulate = 1;     // gradient accumulation: batches in one step
  double learning_rate = 1e-3;
  double head_learning_rate = 1e-3;
  double layer_decay = 1;  // learning rate of layer l of N times layer_decay^(N-1-l); the stem's times layer_decay^N
  std::string schedule = "cosine";  // linear, cosine, constant
  double warmup = 0.1;  // share of the steps in which the learning rate rises
  double weight_decay = 0;
  double clip_norm = 1;  // gradient clipping; 0: none
  double position_dropout = 0;  // share of each clip's positions dropped in a training step
  double average = 0;  // > 0: keep an exponential moving average of the weights, with this decay
  std::string balance = "none";  // balanced sampling: see parse_balance
  bool class_weights = false;  // weight the loss by the inverse of each class's share
  double label_smoothing = 0;
  std::string soft_labels;  // columns of votes whose distribution is the target: see parse_vote_columns; empty: none
  double orthogonality = 0;  // weight of orthogonality(B) (factor_penalties.h) in the objective; 0: no such term
  double nuclear_norm = 0;  // weight of nuclear_norm(B)
  std::string specialize = "none";  // an auxiliary head on a layer's output: see parse_specialization
  double specialize_weight = 0.3;   // w of AuxiliaryHead
  int64_t patience = 0;  // early stopping: epochs without a better score; 0: none
  Selection selection = Selection::development;
  SpecAugmentOptions augment;
  bool recompute = false;     // gradient checkpointing: backward() recomputes activations
  int64_t watch = 20;  // interval of measurements in watch.csv, in steps; 0: none
  uint64_t seed = 42;  // random seed

  // Error, with the option's name, for a value out of range.
  void validate() const;
};

}  // namespace loralens
