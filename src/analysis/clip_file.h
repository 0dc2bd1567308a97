// SPDX-License-Identifier: Apache-2.0
// Matrices of many clips that together may be larger than memory, in a temporary file: its pages are the system's to
// keep in memory or not.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace loralens {

class ClipFile {
 public:
  // Where one matrix is, T×d.
  struct Place {
    int64_t offset = 0, rows = 0, columns = 0;
    c10::ScalarType type = c10::ScalarType::Float;
  };

  // The file is made in TMPDIR (/tmp) with the first matrix and has no name, so that nothing is left of it.
  ClipFile() = default;
  ~ClipFile();
  ClipFile(const ClipFile&) = delete;
  ClipFile& operator=(const ClipFile&) = delete;

  // x: T×d on any device, kept bit by bit. Error where the file cannot be made or has no room.
  Place append(const at::Tensor& x);
  // Rows begin..begin+count-1 of a matrix: count×d, on the CPU.
  at::Tensor rows(const Place& place, int64_t begin, int64_t count) const;
  int64_t bytes() const { return bytes_; }

 private:
  int file_ = -1;
  int64_t bytes_ = 0;
};

}  // namespace loralens
