// SPDX-License-Identifier: Apache-2.0
// The record of a training's inputs (training/inputs.h) as `loralens train` makes and compares it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/train/readable.h"
#include "training/inputs.h"

namespace loralens {

// The flags and the contents of tables on which the training's results depend. config: config_of() the run.
TrainingInputs inputs_of(const std::string& config, const Clips& clips, const TrainArguments& a);

// The inputs that `folder` records. Error unless its flags and clips are the current ones. Call it before the folds are
// made, which may fail for other clips.
TrainingInputs recorded_inputs(TrainingInputs now, const TrainArguments& a, const Path& folder);

// Checks the audio and records the training's inputs in `folder`; on resume, compares the inputs with the record.
// before: the record of the interrupted training. Logs how many clips have no sound; writes skipped.csv. Error for a
// recording in two parts of a fold, for clips that trained the adapter of --from, and for changed inputs.
void record_inputs(TrainingInputs inputs, const std::optional<TrainingInputs>& before, const LoadedClips& loaded,
                   const std::vector<Fold>& folds, TrainArguments& a, const Path& folder);

}  // namespace loralens
