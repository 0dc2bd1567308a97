// SPDX-License-Identifier: Apache-2.0
// Measurements inside the encoder during training, written to watch.csv: gradient norms, adapter norms and singular
// values, and the logit lens of every layer.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "classifier/model.h"
#include "training/probes/step_probe.h"
#include "training/processes/processes.h"

namespace loralens {

// A row of watch.csv. Components and their metrics, per layer (for A, B and BA also per module):
//   A, B          gradient_norm (of the step's loss, before clipping), norm (Frobenius), sv90, effective_rank
//   BA            norm (of the update s·B A), sv90, effective_rank
//   residual      gradient_norm (at the layer's output), kl (logit lens: KL(final ‖ layer) in nats, mean over the
//                 step's clips; a layer's prediction applies final norm, mean over positions and head to its output)
//   logits        gradient_norm, with an empty layer; ‖p - y‖ / (number of the step's clips) for plain cross-entropy
// sv90 and effective_rank (statistics/singular_spectrum.h) are left out if all singular values are 0.
struct WatchRow {
  int64_t step = 0, epoch = 0;  // step: updates so far in all epochs; both count from 0
  std::optional<int64_t> layer;
  std::string module, component, metric;
  double value = 0;
};

// Reads a watch.csv. Columns are found by name. Error, with the row, for a missing or extra column, a step, epoch or
// layer below 0, a value that is not finite, steps that decrease, or a repeated row.
std::vector<WatchRow> read_watch(const Path& csv);

// Measures every n-th step of a training. Layers below the first adapted one are not computed during training, so they
// have no rows.
class Watch : public StepProbe, public Observer {
 public:
  // model: the model being trained; must outlive the Watch. every: interval of measurements in steps, > 0. csv: the
  // file that write() writes. processes: that compute the steps together.
  Watch(const EmotionModel& model, int64_t every, Path csv, Processes& processes = one_process());
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  Observer* begin_step(int64_t step, int64_t epoch) override;
  void see_gradients() override;
  void write() const override;
  // Reads the file's rows of steps before `step`. If the file is missing, logs that the rows start at `step`.
  void resume(int64_t step) override;

  bool wants(const Site& site) const override;
  void see(const Pass& pass, const Site& site, const at::Tensor& value, int64_t segment) override;

 private:
  struct LayerSums {
    at::Tensor squares;  // sum of squares of the gradient at the layer's output
    at::Tensor kl;  // sum over clips
  };

  void sum_over_processes();
  void see_lens(const Pass& pass, int64_t layer, const at::Tensor& residual);
  void add(std::optional<int64_t> layer, Module module, const char* component, const char* metric, double value);
  void add_adapter(int64_t layer, Module module, const LinearAdapter& adapter);

  const EmotionModel& model_;
  Head lens_;  // the model's head without its weighted layer sum
  int64_t every_;
  Path csv_;
  Processes& processes_;
  std::vector<WatchRow> rows_;
  // State of the step being measured:
  bool measuring_ = false;
  int64_t step_ = 0, epoch_ = 0, clips_ = 0;
  std::map<int64_t, LayerSums> sums_;
  at::Tensor logit_squares_;
  std::vector<std::pair<int64_t, at::Tensor>> predictions_;  // log-probabilities (B×C) of the batch's layers so far
};

}  // namespace loralens
