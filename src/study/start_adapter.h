// SPDX-License-Identifier: Apache-2.0
// Opens the adapter from which a training starts (train --from).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "training/start/start.h"

namespace loralens {

// The model folder that a name of train --from means: itself, or the final model of a run. Error for a run without a
// final model or with several trainings, and for any other folder.
Path start_folder(const std::string& name);

// Loads the adapter in a model folder. It keeps its head if loralens saved it with exactly these classes. Logs which
// head the training starts with, and whether it is unknown which clips trained the adapter.
// Error if it is of another base model (by its hash, heads or shapes, for a PEFT adapter also by its Hugging Face id),
// and for a frozen model with other classes or with a head by logistic regression.
std::shared_ptr<const TrainingStart> open_start(const Path& folder, const Base& base,
                                                const std::vector<std::string>& classes);

}  // namespace loralens
