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

FileDecoder::FileDecoder(const std::vector<std::string>& paths, const LogMel& mel, const InputOptions& input,
                         int64_t window, int64_t positions, int64_t threads)
    : paths_(paths), mel_(mel), input_(input), window_(window), positions_(positions), threads_(threads) {
  start();
}

// Decodes at least one of the files, and more until the chunk has bytes_in_chunk bytes of log-mels.
std::vector<DecodedFile> FileDecoder::decode(size_t begin, size_t count) const {
  std::vector<DecodedFile> chunk(count);
  std::vector<char> started(count, false);
  std::atomic<int64_t> bytes = 0;
  parallel_for(count, threads_, [&](size_t i) {
    if (i > 0 && bytes > bytes_in_chunk) return;
    started[i] = true;
    chunk[i].result.path = paths_[begin + i];
    decode_file(chunk[i], mel_, input_, window_, positions_);
    for (const auto& part : chunk[i].mels) bytes += static_cast<int64_t>(part.nbytes());
  });
  chunk.erase(chunk.begin() + (std::ranges::find(started, false) - started.begin()), chunk.end());
  return chunk;
}

void FileDecoder::start() {
  if (begin_ == paths_.size()) return;
  const size_t count = std::min(begin_ == 0 ? size_t{2} : files_in_chunk, paths_.size() - begin_);
  ahead_ = std::async(std::launch::async, [this, begin = begin_, count] {
    const at::NoGradGuard no_grad;
    return decode(begin, count);
  });
}

std::vector<DecodedFile> FileDecoder::next() {
  if (!ahead_.valid()) return {};
  std::vector<DecodedFile> chunk = [&] {
    const Timed time(Phase::wait);
    return ahead_.get();
  }();
  begin_ += chunk.size();
  start();
  return chunk;
}

}  // namespace loralens
