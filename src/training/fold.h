// SPDX-License-Identifier: Apache-2.0
// Training of one model on one fold, with checkpoints and resume.
#pragma once

#include <vector>

#include "classifier/model.h"
#include "inference/source.h"
#include "training/fold_task.h"
#include "training/history.h"

namespace loralens {

// Trains the model in place and leaves the chosen epoch's weights in it. Returns a record for each epoch. A training
// that resumes from its checkpoint ends with the same bits as one that was never interrupted. Error if the loss becomes
// infinite or NaN.
std::vector<EpochRecord> train_fold(EmotionModel& model, ClipSource& source, const FoldTask& task);

}  // namespace loralens
