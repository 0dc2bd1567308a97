// SPDX-License-Identifier: Apache-2.0
// A probe of training steps: it measures steps without changing the training's results in any bit.
#pragma once

#include <cstdint>
#include <vector>

#include "training/history.h"
#include "whisper/sites.h"

namespace loralens {

class StepProbe {
 public:
  virtual ~StepProbe() = default;

  // Called before a step's forward passes. step: updates so far in all epochs; both numbers count from 0. Returns an
  // observer of these passes, which must live until see_gradients(); null: none.
  virtual Observer* begin_step(int64_t step, int64_t epoch) { return nullptr; }
  // Called after a step's backward passes, when the gradients include all its clips, and before clipping and the
  // update. Must not change the gradients.
  virtual void see_gradients() = 0;
  // Called after an epoch's last step. Returns the probe's cells of history.csv and resets the probe for the next
  // epoch. The columns are the same in every epoch; a value is NaN if no step was measured.
  virtual std::vector<Measurement> end_epoch() { return {}; }
  // Writes the probe's own file. Called after each epoch, before the checkpoint is written.
  virtual void write() const {}
  // Called when a training resumes after `step` updates. If it stopped between write() and the checkpoint, the file has
  // rows of later steps, which are discarded.
  virtual void resume(int64_t step) {}
};

}  // namespace loralens
