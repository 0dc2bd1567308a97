// SPDX-License-Identifier: Apache-2.0
// checkpoint.safetensors: the training state of one fold after an epoch, for resuming.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "adapter/method.h"
#include "checkpoint/safetensors.h"
#include "training/fold.h"

namespace loralens {

struct TrainingState {
  int64_t step = 0;                                  // updates so far
  double best_value = -1, best_loss = 0, best_uar = 0;  // scores of the best epoch so far; NaN if there is none
  std::vector<EpochRecord> history;
  Tensors optimiser;  // AdamW::state
  Tensors now, best, average;  // trained tensors by name: current, of the best epoch, running mean (empty without one)
};

void write_state(const Path& file, const TrainingState& state);

// trained: the model's trained parameters; optimiser: AdamW::state for them. The result's tensors are on their devices.
// Error, with the file, for a damaged checkpoint or one of another model: its tensors must have the same names, shapes
// and types as these, and hold finite numbers.
TrainingState read_state(const Path& file, const std::vector<Parameter>& trained, const Tensors& optimiser);

}  // namespace loralens
