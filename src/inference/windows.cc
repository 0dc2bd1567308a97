// SPDX-License-Identifier: Apache-2.0
#include "inference/windows.h"

#include <c10/util/Exception.h>

#include <new>

#include "base/error.h"
#include "base/profile.h"

namespace loralens {
namespace {

// Calls `work`; turns every exception into an Error that names the file.
template <typename Work>
auto naming(const Path& path, Work&& work) {
  try {
    return work();
  } catch (const std::exception& error) {
    const std::string message = reason_of(error);
    if (message.find(path.string()) != std::string::npos) throw Error(message);
    fail("{}: {}", path.string(), message);
  }
}

std::vector<float> read_window(AudioStream& stream, int64_t samples) {
  const Timed time(Phase::decode);
  return stream.read(samples);
}

}  // namespace

std::string reason_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) || dynamic_cast<const c10::OutOfMemoryError*>(&error))
    return "out of memory: use smaller batches or a smaller model";
  if (const auto* torch = dynamic_cast<const c10::Error*>(&error)) {
    const std::string message = torch->what_without_backtrace();
    return "LibTorch failed: " + message.substr(0, message.find('\n'));
  }
  return error.what();
}

int64_t window_samples(const WhisperConfig& config) { return config.positions * position_samples; }

ClipWindows::ClipWindows(const Clip& clip, const LogMel& mel, const InputOptions& input, int64_t window)
    : path_(clip.path),
      mel_(mel),
      input_(input),
      window_samples_(window),
      stream_(naming(clip.path, [&] { return AudioStream(clip.path, {clip.start, clip.end}); })) {
  window_ = naming(path_, [&] { return read_window(stream_, window_samples_); });
}

at::Tensor ClipWindows::next() {
  return naming(path_, [&] {
    const std::vector<float> window = std::move(window_);
    window_ = std::ssize(window) == window_samples_ ? read_window(stream_, window_samples_) : std::vector<float>();
    if (input_.cut)  // decodes the unused rest too, so that a damaged file is an error
      while (!window_.empty()) window_ = read_window(stream_, window_samples_);
    const Timed time(Phase::mel);
    if (input_.padded) return mel_(padded_samples(window, window_samples_));
    return done() ? mel_(speech_samples(window, input_.tail, window_samples_)) : mel_(window);
  });
}

std::vector<at::Tensor> mel_segments(const Clip& clip, const LogMel& mel, const InputOptions& input, int64_t window,
                                     double* seconds) {
  ClipWindows windows(clip, mel, input, window);
  std::vector<at::Tensor> segments;
  while (!windows.done()) segments.push_back(windows.next());
  if (seconds) *seconds = windows.seconds();
  return segments;
}

}  // namespace loralens
