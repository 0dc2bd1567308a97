// SPDX-License-Identifier: Apache-2.0
// Passes decoded files through a model: short files in batches of similar length, long ones alone, window by window. A
// file that fails gets an error; the others go on.
#pragma once

#include <exception>
#include <functional>
#include <span>
#include <vector>

#include "inference/decoded_files.h"
#include "inference/packing.h"

namespace loralens {

// Calls work(files). If it throws for several files, calls it for each of them alone; the error of a single file
// becomes that of its result. File: a struct whose member `file` is its DecodedFile.
template <typename File, typename Work>
void together_or_alone(std::span<File* const> files, const Work& work) {
  try {
    work(files);
  } catch (const std::exception& error) {
    if (files.size() == 1) {
      FileResult& result = files[0]->file.result;
      result.error = message_of(result.path, error);
      return;
    }
    for (const auto& file : files) together_or_alone(std::span(&file, 1), work);
  }
}

// Passes the files of a chunk that could be decoded: long_file(file) for each one with windows to come (DecodedFile::
// rest), which are gone afterwards, and batch(files) for the others.
template <typename File, typename Batch, typename LongFile>
void pass_files(std::vector<File>& chunk, const Batch& batch, const LongFile& long_file) {
  std::vector<File*> whole;
  std::vector<int64_t> lengths;
  for (File& one : chunk) {
    DecodedFile& file = one.file;
    if (!file.result.error.empty()) continue;
    if (!file.rest) {
      whole.push_back(&one);
      lengths.push_back(file.positions());
      continue;
    }
    File* const alone = &one;
    together_or_alone(std::span<File* const>(&alone, 1), [&](std::span<File* const>) { long_file(one); });
    file.mels.clear();
    file.rest.reset();
  }
  for (const auto& places : batches_by_length(lengths)) {
    std::vector<File*> files;
    for (const int64_t place : places) files.push_back(whole[place]);
    together_or_alone(std::span<File* const>(files), batch);
  }
}

// Calls see() with the windows of a long file (M×frames each), about `positions` positions at a time, and decodes the
// next ones meanwhile. The file's result then has its length.
void see_windows(DecodedFile& file, int64_t positions, const std::function<void(const std::vector<at::Tensor>&)>& see);

}  // namespace loralens
