// SPDX-License-Identifier: Apache-2.0
#include "inference/source.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "base/device.h"
#include "base/error.h"
#include "base/profile.h"
#include "base/random.h"
#include "classifier/operations.h"
#include "compute/linear.h"
#include "corpus/unreadable.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t most_ahead = int64_t{256} << 20;  // limit of log-mels decoded ahead, in bytes

// The limit of a clip's input in samples: the end of the window that holds the clip's last sample, so that no window
// consists of the tail alone.
int64_t input_end(int64_t samples, const InputOptions& input, int64_t window) {
  return input.cut ? window : (samples + window - 1) / window * window;
}

}  // namespace

ClipSource::ClipSource(const Encoder& encoder, const std::vector<Clip>& clips, int64_t first_layer,
                       const SourceOptions& options)
    : encoder_(encoder), clips_(clips), first_layer_(first_layer), options_(options), mel_(encoder.config.mels) {
  for (const Clip& clip : clips) keys_.push_back(hash_of(clip.id));
}

ClipSource::~ClipSource() = default;

const std::vector<int64_t>& ClipSource::positions() {
  if (positions_.empty()) measure();
  return positions_;
}

const std::vector<int64_t>& ClipSource::speech_positions() {
  if (positions_.empty()) measure();
  return speech_positions_;
}

void ClipSource::measure() {
  const auto in_units = [](int64_t samples, int64_t unit) {
    return (samples + unit - 1) / unit * (unit / position_samples);
  };
  const InputOptions& input = options_.input;
  const int64_t window = window_samples(encoder_.config);
  std::vector<std::string> errors;
  for (const Clip& clip : clips_) {
    int64_t speech = 0;
    const auto measured = [&] {
      speech = std::llround(audio_seconds(clip.path, {clip.start, clip.end}) * sample_rate);
    };
    if (auto error = error_of(measured); !error.empty()) errors.push_back(std::move(error));
    const int64_t longest = input.padded ? speech : speech + std::llround(input.tail * sample_rate);
    const int64_t samples = std::min(longest, input_end(speech, input, window));
    positions_.push_back(in_units(samples, input.padded ? window : position_samples));
    speech_positions_.push_back(std::min(in_units(speech, position_samples), positions_.back()));
  }
  if (errors.empty()) return;
  positions_.clear();
  speech_positions_.clear();
  refuse_unreadable(errors, clips_.size(), "");
}

int64_t ClipSource::mel_bytes(int64_t clip) const {
  if (positions_.empty()) return 0;
  const int64_t frames = 2 * positions_[clip];
  return frames * encoder_.config.mels * static_cast<int64_t>(sizeof(float));
}

void ClipSource::prefetch(std::span<const int64_t> clips) {
  int64_t bytes = 0;
  for (const auto& [clip, task] : ahead_) bytes += mel_bytes(clip);
  for (const int64_t clip : clips) {
    if (std::ssize(ahead_) >= 8 * options_.threads) return;
    if (rows_.contains(clip) || mels_.contains(clip) || ahead_.contains(clip)) continue;
    bytes += mel_bytes(clip);
    if (bytes > most_ahead) return;
    ahead_[clip] = std::async(std::launch::async, [this, clip] {
      const at::NoGradGuard no_grad;
      return mel_segments(clips_[clip], mel_, options_.input, window_samples(encoder_.config));
    });
  }
}

ClipSource::Segments ClipSource::mels(int64_t clip) {
  if (const auto kept = mels_.find(clip); kept != mels_.end()) return kept->second;
  if (const auto task = ahead_.find(clip); task != ahead_.end()) {
    const Timed time(Phase::wait);
    Segments segments = task->second.get();
    ahead_.erase(task);
    return segments;
  }
  return mel_segments(clips_[clip], mel_, options_.input, window_samples(encoder_.config));
}

void ClipSource::pass_windows(int64_t clip, int64_t positions, const Encoder* encoder,
                              const std::function<void(const Batch&)>& see) {
  ClipWindows windows(clips_[clip], mel_, options_.input, window_samples(encoder_.config));
  while (!windows.done()) {
    std::vector<Segments> parts;
    for (int64_t filled = 0; filled < positions && !windows.done(); filled += parts.back()[0].size(0)) {
      const Segments mel = {windows.next()};
      parts.push_back(rows_of(encoder && first_layer_ < 0 ? *encoder : encoder_, mel, first_layer()));
    }
    see(pack(parts));
  }
}

void ClipSource::keep(std::unordered_map<int64_t, Segments>& cache, int64_t clip, const Segments& segments) {
  int64_t bytes = 0;
  for (const Tensor& segment : segments) bytes += static_cast<int64_t>(segment.nbytes());
  if (kept_bytes_ + bytes > options_.cache_bytes || !cache.emplace(clip, segments).second) return;
  kept_bytes_ += bytes;
}

Batch ClipSource::assemble(std::span<const int64_t> clips, const std::vector<Segments>& rows) const {
  Batch batch = pack(rows);
  for (size_t i = 0; i < clips.size(); ++i)
    for (size_t s = 0; s < rows[i].size(); ++s) batch.pass.keys.push_back(hash_of(key(clips[i]), s));
  return batch;
}

Batch ClipSource::batch(std::span<const int64_t> clips, const Encoder* encoder) {
  std::vector<Segments> parts;
  for (const int64_t clip : clips) {
    if (first_layer_ < 0) {  // the stem is trained: only the log-mels can be cached
      const Segments segments = mels(clip);
      keep(mels_, clip, segments);
      parts.push_back(rows_of(encoder ? *encoder : encoder_, segments, first_layer()));
    } else if (const auto kept = rows_.find(clip); kept != rows_.end()) {
      parts.push_back(kept->second);
    } else {
      const at::NoGradGuard no_grad;
      parts.push_back(rows_of(encoder_, mels(clip), first_layer()));
      keep(rows_, clip, parts.back());
    }
  }
  return assemble(clips, parts);
}

Batch ClipSource::changed_batch(std::span<const int64_t> clips, const MelChange& change, const Encoder* encoder) {
  std::vector<Segments> parts;
  for (const int64_t clip : clips) {
    Segments segments = mels(clip);
    keep(mels_, clip, segments);
    for (size_t s = 0; s < segments.size(); ++s) segments[s] = change(clip, static_cast<int64_t>(s), segments[s]);
    const at::AutoGradMode gradients(first_layer_ < 0 && at::GradMode::is_enabled());
    parts.push_back(rows_of(encoder ? *encoder : encoder_, segments, first_layer()));
  }
  return assemble(clips, parts);
}

}  // namespace loralens
