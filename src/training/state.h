// checkpoint.safetensors: where the training of one fold stands after an epoch, to go on from.
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
  double best_value = -1, best_loss = 0, best_uar = 0;  // of the epoch whose weights are kept; NaN where there is none
  std::vector<EpochRecord> history;
  Tensors optimiser;  // AdamW::state
  Tensors now, best, average;  // the trained tensors by name; average is empty without a running mean
};

void write_state(const Path& file, const TrainingState& state);

// trained: the model's trained parameters. optimiser: AdamW::state of it. The tensors of the result are on their devices.
// Error, with the file, for a damaged file, and for one of another model: every tensor must have the name, shape and
// type that it has there, and hold finite numbers.
TrainingState read_state(const Path& file, const std::vector<Parameter>& trained, const Tensors& optimiser);

}  // namespace loralens
