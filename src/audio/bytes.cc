// SPDX-License-Identifier: Apache-2.0
#include "audio/bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace loralens {

namespace fs = std::filesystem;

Bytes::Bytes(const Path& path) : path_(path) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (status.type() == fs::file_type::none) fail("cannot read {}: {}", path.string(), code.message());
  if (!fs::exists(status)) fail("{}: there is no such file: check the path", path.string());
  if (fs::is_directory(status)) fail("{} is a folder, not an audio file: name the files in it", path.string());
  if (!fs::is_regular_file(status)) fail("{} is no regular file: save the audio to a file first", path.string());
  file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat about{};
  if (file_ < 0 || ::fstat(file_, &about) != 0) {
    const int error = errno;
    if (file_ >= 0) ::close(file_);
    fail("cannot read {}: {}", path.string(), std::strerror(error));
  }
  size_ = static_cast<uint64_t>(about.st_size);
  if (size_ > 0) return;
  ::close(file_);
  fail("{}: the file is empty: copy it again or leave it out", path.string());
}

Bytes::~Bytes() { ::close(file_); }

size_t Bytes::read(uint64_t at, void* out, size_t count) const {
  size_t done = 0;
  while (done < count) {
    const ssize_t got = ::pread(file_, static_cast<char*>(out) + done, count - done, static_cast<off_t>(at + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot read {}: {}", path_.string(), std::strerror(errno));
    if (got == 0) break;
    done += got;
  }
  return done;
}

std::string Bytes::read(uint64_t at, size_t count) const {
  if (at >= size_) return "";
  std::string bytes(std::min<uint64_t>(count, size_ - at), '\0');
  bytes.resize(read(at, bytes.data(), bytes.size()));
  return bytes;
}

uint64_t number_of(std::string_view bytes, bool big_endian) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i)
    value = value << 8 | static_cast<unsigned char>(bytes[big_endian ? i : bytes.size() - 1 - i]);
  return value;
}

std::string bytes_of_number(uint64_t value, size_t count, bool big_endian) {
  std::string bytes(count, '\0');
  for (size_t i = 0; i < count; ++i, value >>= 8) bytes[big_endian ? count - 1 - i : i] = static_cast<char>(value);
  return bytes;
}

}  // namespace loralens
