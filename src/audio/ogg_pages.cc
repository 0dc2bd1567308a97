// SPDX-License-Identifier: Apache-2.0
#include "audio/ogg_pages.h"

#include <ogg/ogg.h>

#include <memory>

#include "base/error.h"

namespace loralens {
namespace {

struct Sync {
  ogg_sync_state state{};
  Sync() { ogg_sync_init(&state); }
  ~Sync() { ogg_sync_clear(&state); }
};

// Checks that the pages form one logical stream without gaps.
class Stream {
 public:
  explicit Stream(const Path& path) : path_(path.string()) {}

  void add(const ogg_page& page, uint64_t at) {
    if (pages_ > 0 && (ended_ || ogg_page_bos(&page) || ogg_page_serialno(&page) != serial_))
      fail("{}: several streams in one Ogg file: {}", path_, how_to_convert(path_));
    if (pages_ == 0) serial_ = ogg_page_serialno(&page);
    if (ogg_page_pageno(&page) != pages_)
      fail("{}: damaged, a page is missing before byte {}: copy the file again", path_, at);
    ++pages_;
    ended_ = ogg_page_eos(&page);
  }
  bool ended() const { return ended_; }

 private:
  std::string path_;
  int serial_ = 0;
  long pages_ = 0;
  bool ended_ = false;
};

}  // namespace

void check_ogg(const Bytes& file) {
  constexpr long block = 1 << 16;
  const std::string path = file.path().string();
  Sync sync;
  Stream stream(file.path());
  uint64_t at = 0;  // offset of the next page
  for (uint64_t read = 0; read < file.size();) {
    char* buffer = ogg_sync_buffer(&sync.state, block);
    if (!buffer) throw std::bad_alloc();
    const size_t got = file.read(read, buffer, block);
    if (got == 0) break;
    read += got;
    ogg_sync_wrote(&sync.state, static_cast<long>(got));
    for (ogg_page page;;) {
      const long size = ogg_sync_pageseek(&sync.state, &page);
      if (size == 0) break;
      if (size < 0 && (!stream.ended() || file.read(at, 4) == "OggS"))  // a tag may follow the last page
        fail("{}: damaged, at byte {} is no whole Ogg page: copy the file again", path, at);
      if (size > 0) stream.add(page, at);
      at += static_cast<uint64_t>(size < 0 ? -size : size);
    }
  }
  if (at < file.size() && (!stream.ended() || file.read(at, 4) == "OggS"))
    fail("{}: cut off within the Ogg page at byte {}: copy the file again", path, at);
  if (!stream.ended())
    fail("{}: cut off, its last page is missing: copy the file again; if this is all there is, {}", path,
         how_to_convert(file.path()));
}

std::vector<BytePatch> opus_patches(const Bytes& file) {
  constexpr size_t largest_page = 1 << 16, fixed = 27;
  constexpr uint64_t lowest = 8000, full = 48000;  // Hz
  std::string bytes = file.read(0, largest_page);
  if (bytes.size() < fixed) return {};
  size_t header = fixed, body = 0;
  for (size_t i = 0, segments = static_cast<unsigned char>(bytes[fixed - 1]); i < segments && header < bytes.size();
       ++i)
    body += static_cast<unsigned char>(bytes[header++]);
  if (bytes.size() < header + body || body < 19 || bytes.compare(header, 8, "OpusHead") != 0) return {};
  const size_t rate_at = header + 12;
  if (number_of(std::string_view(bytes).substr(rate_at, 4), false) >= lowest) return {};
  bytes.replace(rate_at, 4, bytes_of_number(full, 4, false));
  auto* page_bytes = reinterpret_cast<unsigned char*>(bytes.data());
  ogg_page page{page_bytes, static_cast<long>(header), page_bytes + header, static_cast<long>(body)};
  ogg_page_checksum_set(&page);
  return {{0, bytes.substr(0, header + body)}};
}

}  // namespace loralens
