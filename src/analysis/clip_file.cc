// SPDX-License-Identifier: Apache-2.0
#include "analysis/clip_file.h"

#include <ATen/ops/empty.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/files.h"

namespace loralens {

using at::Tensor;

namespace {

[[noreturn]] void fail_writing() {
  fail(
      "{}: cannot write a temporary file in this folder ({}): free disk space, or set TMPDIR to a folder with free "
      "space",
      std::filesystem::temp_directory_path().string(), std::strerror(errno));
}

int nameless_file() {
  std::string path = (std::filesystem::temp_directory_path() / "loralens-XXXXXX").string();
  const int file = mkstemp(path.data());
  if (file < 0) fail_writing();
  unlink(path.c_str());
  return file;
}

}  // namespace

ClipFile::~ClipFile() {
  if (file_ >= 0) close(file_);
}

ClipFile::Place ClipFile::append(const Tensor& x) {
  if (file_ < 0) file_ = nameless_file();
  const Tensor values = x.cpu().contiguous();
  const auto* data = static_cast<const char*>(values.const_data_ptr());
  const Place place{bytes_, x.size(0), x.size(1), x.scalar_type()};
  for (auto left = static_cast<int64_t>(values.nbytes()); left > 0;) {
    const ssize_t written = pwrite(file_, data, left, bytes_);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_writing();
    data += written;
    left -= written;
    bytes_ += written;
  }
  return place;
}

Tensor ClipFile::rows(const Place& place, int64_t begin, int64_t count) const {
  Tensor values = at::empty({count, place.columns}, place.type);
  auto* data = static_cast<char*>(values.mutable_data_ptr());
  auto offset = place.offset + begin * place.columns * static_cast<int64_t>(values.element_size());
  for (auto left = static_cast<int64_t>(values.nbytes()); left > 0;) {
    const ssize_t got = pread(file_, data, left, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail("a temporary file cannot be read back ({})", got < 0 ? std::strerror(errno) : "it is truncated");
    data += got;
    left -= got;
    offset += got;
  }
  return values;
}

}  // namespace loralens
