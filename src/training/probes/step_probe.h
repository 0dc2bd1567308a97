// SPDX-License-Identifier: Apache-2.0
// A probe of training steps: it measures steps without changing a bit of the training.
#pragma once

#include <cstdint>
#include <vector>

#include "training/history.h"
#include "whisper/sites.h"

namespace loralens {

class StepProbe {
 public:
  virtual ~StepProbe() = default;

  // Called before a step's forward passes. step: updates so far in all epochs; both numbers count from 0. Returns the
  // observer of these passes, which is used until see_gradients(); null: none.
  virtual Observer* begin_step(int64_t step, int64_t epoch) { return nullptr; }
  // Called after a step's backward passes, when the gradients are those of all its clips, and before clipping and the
  // update. Must not change the gradients.
  virtual void see_gradients() = 0;
  // Called after an epoch's last step. Returns the probe's cells of history.csv, in every epoch of the same columns
  // (NaN without a measured step), and starts the next epoch.
  virtual std::vector<Measurement> end_epoch() { return {}; }
  // Writes the probe's own file. Called after each epoch, before the checkpoint is written.
  virtual void write() const {}
  // Called when a training resumes after `step` updates. If it stopped between write() and the checkpoint, the file has
  // rows of later steps, which are discarded.
  virtual void resume(int64_t step) {}
};

}  // namespace loralens
