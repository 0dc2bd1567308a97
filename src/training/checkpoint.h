// SPDX-License-Identifier: Apache-2.0
// checkpoint.safetensors: the state of one fold's training after an epoch, for resuming.
#pragma once

#include <string>
#include <vector>

#include "adapter/parameter.h"
#include "checkpoint/safetensors.h"
#include "training/history.h"
#include "training/selection.h"

namespace loralens {

struct TrainingState {
  int64_t step = 0;  // updates so far
  std::vector<EpochRecord> history;
  BestEpoch best;
  Tensors optimiser;  // AdamW::state
  Tensors now;  // values of the trained parameters, by name
  Tensors average;  // WeightAverage::values; empty without one
};

void write_state(const Path& file, const TrainingState& state);

// trained: the model's trained parameters; optimiser: AdamW::state for them. The result's tensors are on their devices.
// Error, with the file, for a damaged checkpoint or one of another model: its tensors must have the names, shapes and
// types of `trained` and `optimiser`, and hold finite numbers.
TrainingState read_state(const Path& file, const std::vector<Parameter>& trained, const Tensors& optimiser);

}  // namespace loralens
