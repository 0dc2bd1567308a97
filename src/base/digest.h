// SPDX-License-Identifier: Apache-2.0
// SHA-256 digests of bytes and of files (OpenSSL).
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "base/files.h"

namespace loralens {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::string_view bytes);
  std::string hex();  // 64 lower-case hexadecimal digits; add() must not be called afterwards

 private:
  void* context_;
};

// The digest in hexadecimal. Error if the file is missing, not a regular file, or unreadable.
std::string sha256_of_file(const Path& path);

}  // namespace loralens
