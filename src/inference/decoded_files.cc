// SPDX-License-Identifier: Apache-2.0
#include "inference/decoded_files.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/parallel.h"
#include "base/profile.h"
#include "base/text.h"

namespace loralens {
namespace {

constexpr size_t files_in_chunk = 32;  // the first chunk is smaller, for a quick start
constexpr int64_t bytes_in_chunk = int64_t{64} << 20;  // limit of log-mels in a chunk, so it holds fewer long files

void decode_file(DecodedFile& file, const LogMel& mel, const InputOptions& input, int64_t window, int64_t positions) {
  FileResult& result = file.result;
  try {
    if (!is_utf8(result.path)) fail("the path is not UTF-8, which JSON needs: rename the file or its folder");
    if (result.path.find('\0') != std::string::npos) fail("the path holds a zero byte, which no file's name has");
    auto windows = std::make_unique<ClipWindows>(clip_of_id(result.path), mel, input, window);
    file.mels = next_windows(*windows, positions);
    if (windows->done())
      finish(result, *windows);
    else
      file.rest = std::move(windows);
  } catch (const std::exception& error) {
    file.mels.clear();
    result.error = message_of(result.path, error);
  }
}

}  // namespace

int64_t DecodedFile::positions() const {
  int64_t sum = 0;
  for (const auto& mel : mels) sum += mel.size(1) / 2;
  return sum;
}

void finish(FileResult& result, const ClipWindows& windows) {
  result.seconds = windows.seconds();
  result.soundless = soundless(windows.facts());
}

std::vector<at::Tensor> next_windows(ClipWindows& windows, int64_t positions) {
  std::vector<at::Tensor> mels;
  for (int64_t filled = 0; filled < positions && !windows.done(); filled += mels.back().size(1) / 2)
    mels.push_back(windows.next());
  return mels;
}

std::string message_of(const std::string& id, const std::exception& error) {
  const std::string reason = reason_of(error);
  return reason.find(clip_of_id(id).path.string()) == std::string::npos ? fmt::format("{}: {}", id, reason) : reason;
}

FileDecoder::FileDecoder(PathSource paths, const LogMel& mel, const InputOptions& input, int64_t window,
                         int64_t positions, int64_t threads)
    : source_(std::move(paths)), mel_(mel), input_(input), window_(window), positions_(positions), threads_(threads) {
  start();
}

// Decodes at least one of the files, and more until the chunk has bytes_in_chunk bytes of log-mels.
std::vector<DecodedFile> FileDecoder::decode(const std::vector<std::string>& paths) const {
  std::vector<DecodedFile> chunk(paths.size());
  std::vector<char> started(paths.size(), false);
  std::atomic<int64_t> bytes = 0;
  parallel_for(paths.size(), threads_, [&](size_t i) {
    if (i > 0 && bytes > bytes_in_chunk) return;
    started[i] = true;
    chunk[i].result.path = paths[i];
    decode_file(chunk[i], mel_, input_, window_, positions_);
    for (const auto& part : chunk[i].mels) bytes += static_cast<int64_t>(part.nbytes());
  });
  chunk.erase(chunk.begin() + (std::ranges::find(started, false) - started.begin()), chunk.end());
  return chunk;
}

void FileDecoder::start() {
  const size_t count = first_ ? 2 : files_in_chunk;
  first_ = false;
  while (!ended_ && waiting_.size() < count) {
    if (auto path = source_())
      waiting_.push_back(std::move(*path));
    else
      ended_ = true;
  }
  if (waiting_.empty()) return;
  ahead_ = std::async(std::launch::async, [this, paths = std::vector(waiting_.begin(), waiting_.end())] {
    const at::NoGradGuard no_grad;
    return decode(paths);
  });
}

std::vector<DecodedFile> FileDecoder::next() {
  if (!ahead_.valid()) return {};
  std::vector<DecodedFile> chunk = [&] {
    const Timed time(Phase::wait);
    return ahead_.get();
  }();
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(chunk.size()));
  start();
  return chunk;
}

}  // namespace loralens
