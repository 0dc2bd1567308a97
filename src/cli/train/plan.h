// SPDX-License-Identifier: Apache-2.0
// What `loralens train --dry-run` prints of a training.
#pragma once

#include <string>
#include <vector>

#include "cli/train/arguments.h"

namespace loralens {

// Prints the clips, the sizes of the folds, the model with its trained values, and the number of trainings. a: with the
// adapted layers chosen.
void print_plan(const Clips& clips, const std::vector<Fold>& folds, const std::vector<std::string>& classes,
                const Base& base, const TrainArguments& a);

}  // namespace loralens
