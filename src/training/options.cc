#include "training/options.h"

#include <string_view>

#include "base/error.h"
#include "corpus/sampling.h"

namespace loralens {

void TrainOptions::validate() const {
  const auto expect = [](bool good, std::string_view option, auto value, std::string_view range) {
    if (!good) fail("--{} {} is out of range: choose {}", option, value, range);
  };
  expect(epochs >= 1 && epochs <= 10000, "epochs", epochs, "1 to 10000");
  expect(head_epochs >= 0 && head_epochs <= 10000, "head-epochs", head_epochs, "0 to 10000");
  expect(position_dropout >= 0 && position_dropout < 1, "position-dropout", position_dropout,
         "0 or more and less than 1");
  expect(average >= 0 && average < 1, "average", average, "0 (off) or more and less than 1");
  expect(batch >= 1 && batch <= 4096, "batch", batch, "1 to 4096");
  expect(batch_frames >= 0, "batch-frames", batch_frames, "0 (off) or more");
  expect(accumulate >= 1, "accumulate", accumulate, "1 or more");
  expect(learning_rate > 0 && learning_rate < 10, "learning-rate", learning_rate, "more than 0 and less than 10");
  expect(head_learning_rate > 0 && head_learning_rate < 10, "head-learning-rate", head_learning_rate,
         "more than 0 and less than 10");
  expect(warmup >= 0 && warmup < 1, "warmup", warmup, "a share of the steps, 0 or more and less than 1");
  expect(weight_decay >= 0, "weight-decay", weight_decay, "0 or more");
  expect(clip_norm >= 0, "clip-norm", clip_norm, "0 (off) or more");
  expect(label_smoothing >= 0 && label_smoothing < 1, "label-smoothing", label_smoothing, "0 or more and less than 1");
  expect(patience >= 0, "patience", patience, "0 (off) or more");
  expect(watch >= 0, "watch", watch, "0 (off) or more");
  expect(augment.time_masks >= 0, "time-masks", augment.time_masks, "0 or more");
  expect(augment.mel_masks >= 0, "mel-masks", augment.mel_masks, "0 or more");
  const Balance balanced = parse_balance(balance);
  if (class_weights && (balanced == Balance::classes || balanced == Balance::corpora_and_classes))
    fail("--class-weights and --balance {} would make up for the classes' shares twice: choose one", balance);
  if (schedule != "linear" && schedule != "cosine" && schedule != "constant")
    fail("there is no schedule '{}': choose linear, cosine or constant", schedule);
}

}  // namespace loralens
