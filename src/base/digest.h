// SHA-256, by OpenSSL.
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
  std::string hex();  // 64 lower-case digits; ends the digest

 private:
  void* context_;
};

// Error if the file is missing, no regular file, or unreadable.
std::string sha256_of_file(const Path& path);

}  // namespace loralens
