#include "audio/container.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

#include "base/error.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

struct Bytes {
  std::ifstream in;
  uint64_t size;

  // Up to `count` bytes from `at` on.
  std::string read(uint64_t at, size_t count) {
    std::string bytes(count, '\0');
    in.clear();
    in.seekg(static_cast<std::streamoff>(at));
    in.read(bytes.data(), static_cast<std::streamsize>(count));
    bytes.resize(static_cast<size_t>(std::max<std::streamsize>(in.gcount(), 0)));
    return bytes;
  }
};

uint64_t number(std::string_view bytes, bool big_endian) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i)
    value = value << 8 | static_cast<unsigned char>(bytes[big_endian ? i : bytes.size() - 1 - i]);
  return value;
}

// Chunks are a name of four letters, a size of four bytes, and the data, padded to an even length.
Container read_chunks(Bytes& file, std::string_view data_name, bool big_endian) {
  const uint64_t form_size = number(file.read(4, 4), big_endian);
  uint64_t long_size = 0;  // RF64 keeps the size of its data apart
  for (uint64_t at = 12; at + 8 <= file.size;) {
    const std::string chunk = file.read(at, 24);
    const std::string_view name = std::string_view(chunk).substr(0, 4);
    if (chunk.size() < 8 || name.find('\0') != std::string::npos) return {};  // no chunk, for libsndfile to judge
    const uint64_t size = number(std::string_view(chunk).substr(4, 4), big_endian), there = file.size - at - 8;
    if (name == "ds64" && chunk.size() == 24) long_size = number(std::string_view(chunk).substr(16, 8), false);
    if (name == data_name) {
      if (size == 0xffffffff && long_size > 0) return {long_size > there ? long_size - there : 0, 0};
      const bool unknown = size == 0xffffffff || (size >= 0x7ffff000 && size <= 0x80000000);
      const bool unset = size == 0 && there > 0 && form_size + 8 != file.size;
      return {!unknown && size > there ? size - there : 0, unset && data_name == "data" ? at + 4 : 0};
    }
    at += 8 + size + size % 2;
  }
  return {};
}

// Ogg promises no length, but each page says how long it is.
uint64_t missing_in_last_page(Bytes& file) {
  constexpr uint64_t longest_page = 27 + 255 + 255 * 255;
  const std::string tail = file.read(file.size - std::min(file.size, longest_page), longest_page);
  const size_t page = tail.rfind(std::string_view("OggS\0", 5));
  if (page == std::string::npos) return 0;
  if (page + 27 > tail.size()) return page + 27 - tail.size();
  const auto segments = static_cast<unsigned char>(tail[page + 26]);
  uint64_t end = page + 27 + segments;
  for (size_t i = page + 27; i < std::min<size_t>(page + 27 + segments, tail.size()); ++i)
    end += static_cast<unsigned char>(tail[i]);
  return end > tail.size() ? end - tail.size() : 0;
}

Bytes open_file(const Path& path) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (status.type() == fs::file_type::none) fail("cannot read {}: {}", path.string(), code.message());
  if (!fs::exists(status)) fail("{}: there is no such file: check the path", path.string());
  if (fs::is_directory(status)) fail("{} is a folder, not an audio file: name the files in it", path.string());
  if (!fs::is_regular_file(status)) fail("{} is no regular file: save the audio to a file first", path.string());
  Bytes file{std::ifstream(path, std::ios::binary), 0};
  if (!file.in) fail("cannot read {}: {}", path.string(), std::strerror(errno));
  file.size = fs::file_size(path, code);
  if (file.size == 0) fail("{}: the file is empty: copy it again or leave it out", path.string());
  return file;
}

}  // namespace

Container read_container(const Path& path) {
  Bytes file = open_file(path);
  const std::string start = file.read(0, 12);
  const std::string_view kind = std::string_view(start).substr(0, 4);
  const std::string_view form = start.size() == 12 ? std::string_view(start).substr(8) : "";
  if ((kind == "RIFF" || kind == "RF64") && form == "WAVE") return read_chunks(file, "data", false);
  if (kind == "RIFX" && form == "WAVE") return read_chunks(file, "data", true);
  if (kind == "FORM" && (form == "AIFF" || form == "AIFC")) return read_chunks(file, "SSND", true);
  if (kind == "OggS") return {missing_in_last_page(file), 0};
  return {};
}

}  // namespace loralens
