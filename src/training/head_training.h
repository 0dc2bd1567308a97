// SPDX-License-Identifier: Apache-2.0
// Training of the head alone on the hidden states of the initial encoder, so that the adapters' first gradients come
// from a trained head.
#pragma once

#include "classifier/model.h"
#include "training/batches/epoch_batches.h"
#include "training/fold_task.h"
#include "training/forward.h"

namespace loralens {

// Trains the model's head with the cross-entropy alone for n = TrainOptions::head_epochs epochs, numbered -n to -1.
void train_head(const EmotionModel& model, const TrainingForward& forward, const EpochBatches& batches,
                const FoldTask& task);

}  // namespace loralens
