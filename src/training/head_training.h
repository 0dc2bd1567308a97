// SPDX-License-Identifier: Apache-2.0
// Training of the head alone, on the states of the initial encoder, so that the adapters start with useful gradients.
#pragma once

#include "classifier/model.h"
#include "training/batches/epoch_batches.h"
#include "training/fold_task.h"
#include "training/forward.h"

namespace loralens {

// Trains the model's head for TrainOptions::head_epochs epochs, whose numbers are negative, with the cross-entropy.
void train_head(const EmotionModel& model, const TrainingForward& forward, const EpochBatches& batches,
                const FoldTask& task);

}  // namespace loralens
