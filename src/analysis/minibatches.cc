// SPDX-License-Identifier: Apache-2.0
#include "analysis/minibatches.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mean.h>

#include <algorithm>

#include "base/device.h"
#include "base/error.h"
#include "base/random.h"

namespace loralens {

using at::Tensor;

std::vector<int64_t> sampled_frames(uint64_t seed, std::string_view clip_id, int64_t rows) {
  Random random(hash_of(seed, hash_of("frames"), hash_of(clip_id)));
  std::vector<int64_t> frames;
  for (int64_t f = 0; f < frames_of_clip; ++f)
    frames.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(rows))));
  return frames;
}

void Minibatches::see(const BatchView& view, const SampledSite& where, const Tensor& value) {
  if (!std::ranges::equal(view.clips, batch_)) begin_batch(view);
  const auto kind = value.scalar_type() == c10::ScalarType::Double ? c10::ScalarType::Double : c10::ScalarType::Float;
  const auto clips = view.speech_of(value);
  std::vector<Tensor> means;
  for (const Tensor& clip : clips) means.push_back(at::mean(clip, {0}, true, c10::ScalarType::Double));
  const Tensor mean = at::cat(means).to(kind).cpu();
  const Tensor rows = on_device(frames_, value.device());
  const Tensor frames = value.index_select(0, rows).to(kind).cpu();
  const int64_t count = mean.size(0), dim = mean.size(1);
  auto& [samples, gathered] = gathered_[where];
  if (!samples.defined() || samples.size(1) < gathered + count || samples.scalar_type() != kind) {
    const Tensor larger = at::empty({1 + frames_of_clip, std::max(clips_in_minibatch, gathered + count), dim}, kind);
    if (gathered > 0) larger.narrow(1, 0, gathered).copy_(samples.narrow(1, 0, gathered));
    samples = larger;
  }
  const Tensor place = samples.narrow(1, gathered, count);
  place[0].copy_(mean);
  place.narrow(0, 1, frames_of_clip).copy_(frames.view({count, frames_of_clip, dim}).transpose(0, 1));
  gathered += count;
}

void Minibatches::begin_batch(const BatchView& view) {
  if (std::ssize(groups_) + std::ssize(view.clips) > clips_in_minibatch) flush();
  batch_.assign(view.clips.begin(), view.clips.end());
  frames_.clear();
  for (int64_t i = 0, first = 0; i < std::ssize(batch_); first += view.clip_rows[i++]) {
    const int64_t clip = batch_[i];
    groups_.push_back(setting_.group_of(clip));
    for (const int64_t frame : sampled_frames(setting_.seed, setting_.clips->clips[clip].id, view.speech_rows[i]))
      frames_.push_back(first + frame);
  }
}

// Splits a batch of more clips than a minibatch may have into even parts.
void Minibatches::flush() {
  const int64_t clips = std::ssize(groups_), parts = (clips + clips_in_minibatch - 1) / clips_in_minibatch;
  for (int64_t part = 0; part < parts; ++part)
    give(clips * part / parts, clips * (part + 1) / parts - clips * part / parts);
  batch_.clear();
  groups_.clear();
  for (auto& [where, gathered] : gathered_) gathered.clips = 0;
}

void Minibatches::give(int64_t begin, int64_t count) {
  if (count < 4) {
    dropped_ += count;
    return;
  }
  Minibatch minibatch{{groups_.begin() + begin, groups_.begin() + begin + count}, {}};
  for (const auto& [where, gathered] : gathered_) {
    if (gathered.clips == 0) continue;  // a site of an earlier fold
    if (gathered.clips != std::ssize(groups_))
      fail("{} of layer {} was seen for {} of {} clips: a site must be present in all batches or in none",
           name_of(where.site.kind), where.site.layer, gathered.clips, groups_.size());
    minibatch.samples[where] = gathered.samples.narrow(1, begin, count);
  }
  used_ += count;
  use_(minibatch);
}

}  // namespace loralens
