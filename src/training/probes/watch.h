// What training does inside the encoder as it goes: gradients, adapters and the lens of every layer, in watch.csv.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "classifier/model.h"
#include "whisper/sites.h"

namespace loralens {

// A line of watch.csv. component and metric, per layer (and module, for A, B and BA):
//   A, B          gradient_norm (of the step's loss, before clipping), norm (Frobenius), sv90, effective_rank
//   BA            norm (of the update s·B A), sv90, effective_rank
//   residual      gradient_norm (at the layer's output), kl (nats; KL(final ‖ layer), where a layer's prediction is the
//                 head on the mean over rows of its final-normed output; mean over the step's clips)
//   logits        gradient_norm, without a layer: ‖p - y‖ divided by the step's clips for the plain loss
// sv90 and effective_rank (statistics/singular_spectrum.h) are left out where all singular values are 0.
struct WatchRow {
  int64_t step = 0, epoch = 0;  // updates before this moment, in all epochs; both from 0
  std::optional<int64_t> layer;
  std::string module, component, metric;
  double value = 0;
};

// Reads its columns by name. Error, with the row, for a file that is no watch.csv: a column too few or too many, a step,
// epoch or layer below 0, a value that is not finite, steps that fall, a row twice.
std::vector<WatchRow> read_watch(const Path& csv);

// Looks at some steps of a training; changes none of its bits. Layers below the first adapted one do not pass in
// training and are not in it.
class Watch : public Observer {
 public:
  // model: the one that is trained. every: steps from one look to the next, > 0.
  Watch(const EmotionModel& model, int64_t every);
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Before a step's batches. Null if it is not looked at; else what is to stand in their passes, up to end().
  const Taps* begin(int64_t step, int64_t epoch);
  // After their backward passes, before the update.
  void end();

  // All rows so far.
  void write(const Path& csv) const;
  // Goes on from a file, with its rows of steps before `step`.
  void restore(const Path& csv, int64_t step);

  bool wants(const Site& site) const override;
  void see(const Pass& pass, const Site& site, const at::Tensor& value, int64_t segment) override;

 private:
  struct LayerSums {
    at::Tensor squares;  // of the gradient at its output
    at::Tensor kl;  // over clips
  };

  void see_lens(const Pass& pass, int64_t layer, const at::Tensor& residual);
  void add(std::optional<int64_t> layer, Module module, const char* component, const char* metric, double value);
  void add_adapter(int64_t layer, Module module, const LinearAdapter& adapter);

  const EmotionModel& model_;
  Head lens_;  // the model's head, for one state
  int64_t every_;
  Taps taps_;
  std::vector<WatchRow> rows_;
  // Of the step that is looked at:
  int64_t step_ = 0, epoch_ = 0, clips_ = 0;
  std::map<int64_t, LayerSums> sums_;
  at::Tensor logit_squares_;
  std::vector<std::pair<int64_t, at::Tensor>> predictions_;  // log-probabilities (B×C) by a batch's layers so far
};

}  // namespace loralens
