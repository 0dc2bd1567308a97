// SPDX-License-Identifier: Apache-2.0
// Finds the one model that a flag names: a model's folder, a PEFT adapter, or a run's final model.
#pragma once

#include <string>

#include "classifier/model.h"

namespace loralens {

// The model folder that `name`, the value of `flag` ("--from"), names: the folder itself, or the final model of a run.
// Error for a run without a final model or with several trainings, and for any other folder.
Path single_model(const std::string& flag, const std::string& name);

// Checks that a bare PEFT adapter belongs to the base, by the base's name: it does not record a hash, and tiny and
// tiny.en have the same shapes. Error if both are Hugging Face ids and differ; logs other differences.
void check_base_name(const std::string& flag, const Path& folder, const Base& base);

}  // namespace loralens
