// SPDX-License-Identifier: Apache-2.0
// Opens the adapter from which a training starts (train --from).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "training/start/start.h"

namespace loralens {

// Loads the adapter in a model folder. It keeps its head if loralens saved it with exactly these classes. Logs which
// head the training starts with, and whether the adapter's training clips are unknown.
// Error if the adapter belongs to another base model (by hash, heads or shapes, for a PEFT adapter also by Hugging Face
// id), and for a frozen model with other classes or with a head by logistic regression.
std::shared_ptr<const TrainingStart> open_start(const Path& folder, const Base& base,
                                                const std::vector<std::string>& classes);

}  // namespace loralens
