// SPDX-License-Identifier: Apache-2.0
#include "training/head_training.h"

#include "training/objective/cross_entropy.h"
#include "training/one_thread.h"
#include "training/optimiser.h"

namespace loralens {

void train_head(const EmotionModel& model, const TrainingForward& forward, const EpochBatches& batches,
                const FoldTask& task) {
  const OneThread one_thread(true);
  const TrainOptions& options = task.options;
  const LossOptions loss = loss_options(task, std::ssize(model.classes));
  AdamW optimiser(parameters_of(model.head), {.head_learning_rate = options.head_learning_rate,
                                              .weight_decay = options.weight_decay,
                                              .clip_norm = options.clip_norm});
  int64_t step = 0;
  const int64_t steps = options.head_epochs * std::ssize(batches.of(0));
  for (int64_t epoch = -options.head_epochs; epoch < 0; ++epoch)
    for (const auto& clips : batches.of(epoch)) {
      const BatchOutputs outputs = forward.from_start(clips);
      cross_entropy(outputs.logits, outputs.labels, loss).backward();
      optimiser.step(schedule_factor("cosine", 0, step++, steps));
    }
}

}  // namespace loralens
