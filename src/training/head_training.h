// SPDX-License-Identifier: Apache-2.0
// Training of the head alone, on the states of the initial encoder, so that the adapters start with useful gradients.
#pragma once

#include "classifier/head.h"
#include "training/batches/epoch_batches.h"
#include "training/forward.h"

namespace loralens {

// Trains the head for TrainOptions::head_epochs epochs with the cross-entropy; their numbers are negative.
void train_head(const Head& head, const TrainingForward& forward, const EpochBatches& batches,
                const TrainOptions& options, const LossOptions& loss);

}  // namespace loralens
