// SPDX-License-Identifier: Apache-2.0
#include "hub/whole_file.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/error.h"
#include "hub/cache_layout.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view weights = ".safetensors";

// The first characters of a file in lower case, without leading white space.
std::string first_characters(const Path& path) {
  constexpr size_t most = 512;
  std::string text(most, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(in.gcount());
  text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// The fault of a file for which the hub gives no SHA-256, judged by its content; "" if none.
std::string fault_of_content(const Path& path, const std::string& name) {
  const std::string start = first_characters(path);
  if (start.starts_with("<!doctype") || start.starts_with("<html")) return "is a web page";
  if (name.ends_with(".json")) {
    std::ifstream in(path, std::ios::binary);
    if (!nlohmann::json::accept(in)) return "is not JSON";
  }
  return "";
}

}  // namespace

std::string fault_of(const Path& path, const RemoteFile& file) {
  std::error_code code;
  const auto size = static_cast<int64_t>(fs::file_size(path, code));
  if (code) return fmt::format("cannot be read ({})", code.message());
  if (size == 0) return "is empty";
  if (file.size >= 0 && size != file.size) return fmt::format("has {} of {} bytes", size, file.size);
  if (file.sha256.empty()) return fault_of_content(path, file.name);
  if (const std::string found = sha256_of_file(path); found != file.sha256)
    return fmt::format("has the sha256 {}, the hub says {}", found, file.sha256);
  return "";
}

std::string fault_of_snapshot(const Path& folder) {
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    const std::string name = entry.path().filename().string();
    const std::string blob = entry.is_symlink(code) ? fs::read_symlink(entry.path(), code).filename().string() : "";
    const RemoteFile known{name, blob, is_sha256(blob) ? blob : "", -1};
    if (!is_sha256(blob) && (blob.empty() || !name.ends_with(weights))) continue;
    if (const auto fault = fault_of(entry.path(), known); !fault.empty())
      return fmt::format("{} {}", entry.path().string(), fault);
  }
  return "";
}

}  // namespace loralens
