// How a model is trained.
#pragma once

#include <cstdint>
#include <string>

#include "base/range.h"
#include "inference/source.h"

namespace loralens {

// Which clips decide the epoch whose weights are kept.
enum class Selection {
  last,         // none: the last epoch is kept
  development,  // best UAR on the development part, then least loss
  test,         // best accuracy on the test part, as the published code does; never a fair result
};

// The ranges of the options' numbers.
namespace train_ranges {
inline constexpr Range<int64_t> epochs{1, 10'000}, head_epochs{0, 10'000}, patience{0, 10'000, Ends::both, true};
inline constexpr Range<int64_t> batch{1, 4096}, batch_frames{0, 10'000'000, Ends::both, true}, accumulate{1, 10'000};
inline constexpr Range<int64_t> watch{0, 1'000'000'000, Ends::both, true}, seed{0, INT64_MAX};
inline constexpr Range<int64_t> time_masks{0, 1000}, mel_masks{0, 128}, mel_width{0, 128};
inline constexpr Range<double> learning_rate{0, 10, Ends::none}, weight_decay{0, 1000}, time_share{0, 1};
inline constexpr Range<double> clip_norm{0, 1e6, Ends::both, true}, average{0, 1, Ends::low, true};
inline constexpr Range<double> share{0, 1, Ends::low};  // warmup, position_dropout, label_smoothing
}  // namespace train_ranges

struct TrainOptions {
  int64_t epochs = 12;
  int64_t head_epochs = 0;    // before these: passes that train the head alone, on the unadapted encoder's states
  int64_t batch = 8;          // clips in a batch
  int64_t batch_frames = 0;   // > 0: fill batches by positions instead
  bool by_length = true;      // clips of similar length together
  int64_t accumulate = 1;     // batches whose gradients make one step
  double learning_rate = 1e-3;
  double head_learning_rate = 1e-3;
  std::string schedule = "cosine";  // linear, cosine, constant
  double warmup = 0.1;        // share of the steps
  double weight_decay = 0;
  double clip_norm = 1;       // 0: never
  double position_dropout = 0;  // share of each clip's positions left out of a training step
  double average = 0;         // > 0: the weights kept are a running mean of the trained ones with this decay
  std::string balance = "none";  // what an epoch draws equally often: see parse_balance
  bool class_weights = false;  // loss weighted by the inverse of each class's share
  double label_smoothing = 0;
  int64_t patience = 0;       // stop after this many epochs without a better development part; 0: never
  Selection selection = Selection::development;
  SpecAugmentOptions augment;
  int64_t watch = 20;         // steps from one look inside to the next (watch.csv); 0: none
  uint64_t seed = 42;

  // Error, with the option's name, for a number out of range.
  void validate() const;
};

}  // namespace loralens
