// SPDX-License-Identifier: Apache-2.0
// Decodes audio files ahead of use, in the order given, into the log-mel windows of the encoder's input. A file that
// cannot be read gets an error; the others go on.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inference/windows.h"

namespace loralens {

// Gives one path after the other: of a file, or the id of a segment; nullopt at the end.
using PathSource = std::function<std::optional<std::string>()>;

// What every command prints of a file.
struct FileResult {
  std::string path;
  std::string error;   // why the file could not be read; empty if it could
  double seconds = 0;  // length of the clip
  std::string soundless;  // why there is no sound in it; empty if there is
};

struct DecodedFile {
  FileResult result;  // seconds, soundless: once all windows are decoded
  std::vector<at::Tensor> mels;       // M×frames: all windows; of a long file, those of the first pass
  std::unique_ptr<ClipWindows> rest;  // the other windows of a long file; null for others

  int64_t positions() const;  // of `mels`
};

// Sets the seconds of a file whose windows are all decoded, and why it has no sound.
void finish(FileResult& result, const ClipWindows& windows);

// The log-mels of the next windows, until they have at least `positions` positions.
std::vector<at::Tensor> next_windows(ClipWindows& windows, int64_t positions);

// The error's message, preceded by the file's id unless the message already names the file.
std::string message_of(const std::string& id, const std::exception& error);

// Decodes on `threads` threads, one chunk of files ahead of use. A chunk has at most 32 files, and few long ones, so
// that its log-mels take little more than 64 MB.
class FileDecoder {
 public:
  // paths: asked for a chunk's paths at a time. window: samples of a window (window_samples). positions: most positions
  // of a file's first pass. mel and input must outlive it.
  FileDecoder(PathSource paths, const LogMel& mel, const InputOptions& input, int64_t window, int64_t positions,
              int64_t threads);

  // The next files; empty at the end. The chunk after it is decoded meanwhile.
  std::vector<DecodedFile> next();

 private:
  std::vector<DecodedFile> decode(const std::vector<std::string>& paths) const;
  void start();  // starts to decode the next chunk, if there is one

  PathSource source_;
  const LogMel& mel_;
  const InputOptions& input_;
  int64_t window_, positions_, threads_;
  bool first_ = true, ended_ = false;  // before the first chunk; after the last path
  std::deque<std::string> waiting_;  // paths that are not decoded yet
  std::future<std::vector<DecodedFile>> ahead_;
};

}  // namespace loralens
