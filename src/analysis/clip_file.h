// SPDX-License-Identifier: Apache-2.0
// Temporary file for activation matrices of many clips, which together may exceed memory; the operating system decides
// which pages stay cached.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace loralens {

class ClipFile {
 public:
  // Location of one T×d matrix in the file.
  struct Place {
    int64_t offset = 0, rows = 0, columns = 0;
    c10::ScalarType type = c10::ScalarType::Float;
  };

  // The first append() creates the file in TMPDIR (/tmp by default) and unlinks it, so that no file remains after a
  // crash.
  ClipFile() = default;
  ~ClipFile();
  ClipFile(const ClipFile&) = delete;
  ClipFile& operator=(const ClipFile&) = delete;

  // x: T×d on any device, stored bit for bit. Error if the file cannot be created or the disk is full.
  Place append(const at::Tensor& x);
  // Rows begin..begin+count-1 of a matrix: count×d, on the CPU.
  at::Tensor rows(const Place& place, int64_t begin, int64_t count) const;
  int64_t bytes() const { return bytes_; }

 private:
  int file_ = -1;
  int64_t bytes_ = 0;
};

}  // namespace loralens
