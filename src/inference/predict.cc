// SPDX-License-Identifier: Apache-2.0
#include "inference/predict.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/softmax.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>

#include "base/error.h"
#include "base/profile.h"
#include "classifier/forward.h"

namespace loralens {

using at::Tensor;

namespace {

// Whether a batch is one clip that is too long for one pass.
bool is_long(ClipSource& source, const std::vector<int64_t>& clips, const WhisperConfig& config) {
  return clips.size() == 1 && source.positions()[clips[0]] > positions_in_pass(config);
}

// The pooled states of a batch's clips: B×D or B×(N+1)×D.
Tensor states_of(const EmotionModel& model, ClipSource& source, const Encoder& encoder,
                 const std::vector<int64_t>& clips) {
  const auto pass = [&](Batch batch) {
    batch = with_round_rows(std::move(batch));
    return head_states(network_of(model, encoder), batch.x, source.first_layer(), batch.pass);
  };
  if (!is_long(source, clips, encoder.config)) return pass(source.batch(clips, &encoder));
  WindowMean mean;
  source.pass_windows(clips[0], positions_in_pass(encoder.config), &encoder,
                      [&](const Batch& windows) { mean.add(pass(windows), windows.pass.lengths); });
  return mean.mean();
}

// Error if a clip's states are not finite. states: one row per clip; rows of any shape.
void check_states(const Tensor& states, const ClipSource& source, std::span<const int64_t> clips) {
  if (clips.empty() || states.isfinite().all().item<bool>()) return;
  const Tensor finite = states.flatten(1).isfinite().all(1).cpu();
  const auto bad = std::count(finite.const_data_ptr<bool>(), finite.const_data_ptr<bool>() + finite.numel(), false);
  if (bad == std::ssize(clips) && bad > 1)
    fail(
        "the encoder gives no finite numbers for any of {} clips: its weights diverged or are damaged: in a training "
        "lower the learning rate, else check the model's files and --precision",
        bad);
  int64_t first = 0;
  while (finite.const_data_ptr<bool>()[first]) ++first;
  fail("{}: the encoder's output for this clip is not finite: leave the clip out, or use --precision fp32",
       source.clip(clips[first]).id);
}

}  // namespace

Tensor clip_states(const EmotionModel& model, ClipSource& source, std::span<const int64_t> clips,
                   const std::function<void(int64_t)>& done) {
  const at::NoGradGuard no_grad;
  const Timed time(Phase::inference);
  const Encoder encoder = model.compute_encoder();
  std::vector<int64_t> lengths;
  for (const int64_t clip : clips) lengths.push_back(source.positions()[clip]);
  const auto batches = batches_by_length(lengths);
  const auto numbers = [&](const std::vector<int64_t>& places) {
    std::vector<int64_t> chosen;
    for (const int64_t i : places) chosen.push_back(clips[i]);
    return chosen;
  };
  Tensor all;
  int64_t count = 0;
  for (size_t b = 0; b < batches.size(); ++b) {
    for (size_t next = b; next < std::min(b + 3, batches.size()); ++next)
      if (!is_long(source, numbers(batches[next]), encoder.config)) source.prefetch(numbers(batches[next]));
    const Tensor states = states_of(model, source, encoder, numbers(batches[b]));
    if (!all.defined()) {
      std::vector<int64_t> shape = states.sizes().vec();
      shape[0] = std::ssize(clips);
      all = at::empty(shape, states.options());
    }
    for (size_t i = 0; i < batches[b].size(); ++i)
      all.select(0, batches[b][i]).copy_(states.select(0, static_cast<int64_t>(i)));
    count += std::ssize(batches[b]);
    if (done) done(count);
  }
  check_states(all, source, clips);
  return all;
}

Tensor probabilities(const EmotionModel& model, const Tensor& states, const RowName& name) {
  const at::NoGradGuard no_grad;
  const Tensor p = at::softmax(logits(model.head, states, Pass{}), -1).cpu().to(c10::ScalarType::Float).contiguous();
  const float* values = p.const_data_ptr<float>();
  for (int64_t i = 0; i < p.numel(); ++i)
    if (!std::isfinite(values[i]))
      fail("{}: the model's answer is {}, not a finite number: check the clip, the model's files and --precision",
           name(i / p.size(1)), values[i]);
  return p;
}

RowName names_of(const ClipSource& source, std::span<const int64_t> clips) {
  return [&source, clips](int64_t row) { return source.clip(clips[row]).id; };
}

int64_t positions_in_pass(const WhisperConfig& config) {
  constexpr int64_t bytes = int64_t{256} << 20;
  const int64_t window = config.positions;
  const int64_t values = config.mlp_width + 6 * config.width;  // values per position that are in memory together
  return std::max<int64_t>(2, bytes / (values * static_cast<int64_t>(sizeof(float))) / window) * window;
}

void WindowMean::add(const Tensor& states, std::span<const int64_t> lengths) {
  options_ = states.options();
  const Tensor wide = states.cpu().to(c10::ScalarType::Double);
  for (size_t i = 0; i < lengths.size(); ++i) {
    const Tensor part = wide[static_cast<int64_t>(i)] * static_cast<double>(lengths[i]);
    sum_ = sum_.defined() ? sum_ + part : part;
    positions_ += lengths[i];
  }
}

Tensor WindowMean::mean() const { return (sum_ / static_cast<double>(positions_)).unsqueeze(0).to(options_); }

void check_finite(const EmotionModel& model, ClipSource& source, std::span<const int64_t> clips) {
  const at::NoGradGuard no_grad;
  const Encoder encoder = model.compute_encoder();
  for (const int64_t clip : clips)
    if (!source.batch({&clip, 1}, &encoder).x.isfinite().all().item<bool>())
      fail("{}: the encoder's output for this clip is not finite: leave the clip out, or use --precision fp32",
           source.clip(clip).id);
}

int64_t machine_memory() {
  auto bytes = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  for (const char* limit :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"})  // of a container
    if (int64_t value = 0; std::ifstream(limit) >> value && value > 0) bytes = std::min(bytes, value);
  return bytes;
}

void check_memory(const EmotionModel& model, ClipSource& source, std::span<const std::vector<int64_t>> batches,
                  int64_t memory) {
  if (!model.adapted.encoder.device().is_cpu()) return;  // on a GPU, a failed allocation is an error and harms nothing
  const WhisperConfig& config = model.adapted.encoder.config;
  const int64_t layers = config.layers - source.first_layer();
  // Bytes per position, float32: in each layer the inputs and outputs of attention, the two norms, and twice the MLP.
  const double bytes = static_cast<double>(layers * (8 * config.width + 2 * config.mlp_width)) * sizeof(float);
  const auto& lengths = source.positions();
  for (const auto& batch : batches) {
    int64_t positions = 0, longest = batch.front();
    for (const int64_t clip : batch) {
      positions += lengths[clip];
      if (lengths[clip] > lengths[longest]) longest = clip;
    }
    if (static_cast<double>(positions) * bytes > static_cast<double>(memory))
      fail(
          "{}: {:.0f} s, in a batch of {} clips, would take {:.1f} GB in memory, more than this machine has: cut the "
          "clip into segments (columns start and end), or use smaller batches",
          source.clip(longest).id, static_cast<double>(lengths[longest]) / 50, batch.size(),
          static_cast<double>(positions) * bytes / 1e9);
  }
}

}  // namespace loralens
