// SPDX-License-Identifier: Apache-2.0
#include "training/forward.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/index_select.h>

#include "base/device.h"
#include "base/random.h"
#include "classifier/forward.h"
#include "inference/predict.h"
#include "training/augment/position_dropout.h"
#include "training/augment/spec_augment.h"

namespace loralens {

using at::Tensor;

BatchOutputs TrainingForward::training(const std::vector<int64_t>& clips, int64_t epoch, const Taps* taps) {
  if (task_.frozen) return from_start(clips);
  const TrainOptions& options = task_.options;
  const auto number = static_cast<uint64_t>(epoch);
  const Encoder encoder = model_.compute_encoder();
  Batch batch =
      options.augment.active() ? source_.changed_batch(clips, masks(epoch), &encoder) : source_.batch(clips, &encoder);
  if (options.position_dropout > 0) batch = drop_positions(batch, options.position_dropout, options.seed, number);
  batch = with_round_rows(std::move(batch));
  batch.pass.dropout = {.active = true, .seed = options.seed, .epoch = number};
  batch.pass.taps = taps;
  batch.pass.recompute = options.recompute;
  std::optional<AuxiliaryState> auxiliary;
  Taps with_auxiliary = taps ? *taps : Taps{};
  if (specialization_) {
    with_auxiliary.observers.push_back(&auxiliary.emplace(encoder, specialization_->layer));
    batch.pass.taps = &with_auxiliary;
  }
  const Tensor logits = logits_from(network_of(model_, encoder), batch.x, source_.first_layer(), batch.pass);
  return {.logits = logits, .labels = labels_of(clips), .auxiliary_state = auxiliary ? auxiliary->state() : Tensor()};
}

// SpecAugment's masks in this epoch. They are hashes of (seed, epoch, clip, segment), so a clip has the same masks in
// every batch.
MelChange TrainingForward::masks(int64_t epoch) const {
  return [this, epoch](int64_t clip, int64_t segment, const Tensor& mel) {
    const TrainOptions& options = task_.options;
    return masked(mel, options.augment,
                  hash_of(options.seed, hash_of("spec-augment"), epoch, source_.key(clip), segment));
  };
}

BatchOutputs TrainingForward::from_start(const std::vector<int64_t>& clips) const {
  return {.logits = logits(model_.head, start_states(clips), Pass{}), .labels = labels_of(clips)};
}

Tensor TrainingForward::logits_of(const std::vector<int64_t>& clips) {
  const at::NoGradGuard no_grad;
  return logits(model_.head, task_.frozen ? start_states(clips) : clip_states(model_, source_, clips), Pass{});
}

std::vector<int64_t> TrainingForward::classes_of(const std::vector<int64_t>& clips) const {
  std::vector<int64_t> classes;
  for (const int64_t clip : clips) classes.push_back(task_.label(clip));
  return classes;
}

Tensor TrainingForward::labels_of(const std::vector<int64_t>& clips) const {
  if (task_.targets.defined()) return at::index_select(task_.targets, 0, on_device(clips, task_.targets.device()));
  return on_device(classes_of(clips), model_.head.classifier.weight.device());
}

Tensor TrainingForward::start_states(const std::vector<int64_t>& clips) const {
  return at::index_select(task_.start_states, 0, on_device(clips, task_.start_states.device()));
}

}  // namespace loralens
