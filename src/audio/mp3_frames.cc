// SPDX-License-Identifier: Apache-2.0
#include "audio/mp3_frames.h"

#include <algorithm>

#include "audio/container.h"
#include "base/error.h"

namespace loralens {
namespace {

struct Header {
  int version;    // 1: MPEG-1, 2: MPEG-2, 3: MPEG-2.5
  int rate;       // Hz
  int channels;
  int bytes;      // length of the frame with its header; 0: free format
  bool checked;   // a CRC of two bytes follows

  bool same_stream(const Header& other) const {
    return version == other.version && rate == other.rate && channels == other.channels;
  }
  // Bytes between the frame header and the main data: CRC and side information.
  uint64_t side_bytes() const {
    return (checked ? 2u : 0u) + (version == 1 ? (channels == 2 ? 32u : 17u) : (channels == 2 ? 17u : 9u));
  }
};

std::optional<Header> read_header(const Bytes& file, uint64_t at) {
  static constexpr int kilobits[2][15] = {{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
                                          {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}};
  static constexpr int rates[3] = {44100, 48000, 32000};
  unsigned char b[4];
  if (file.read(at, b, 4) < 4 || b[0] != 0xff || (b[1] & 0xe0) != 0xe0) return {};
  const int version = b[1] >> 3 & 3, layer = b[1] >> 1 & 3, bit_rate = b[2] >> 4, rate = b[2] >> 2 & 3;
  if (version == 1 || layer != 1 || bit_rate == 15 || rate == 3 || (b[3] & 3) == 2) return {};  // reserved values
  Header header{};
  header.version = version == 3 ? 1 : version == 2 ? 2 : 3;
  header.rate = rates[rate] >> (header.version - 1);
  header.channels = b[3] >> 6 == 3 ? 1 : 2;
  header.checked = (b[1] & 1) == 0;
  const int bits = kilobits[header.version > 1][bit_rate] * 1000, samples = header.version == 1 ? 1152 : 576;
  if (bits > 0) header.bytes = samples / 8 * bits / header.rate + (b[2] >> 1 & 1);
  return header;
}

uint64_t behind_zeros(const Bytes& file, uint64_t at) {
  char block[1 << 14];
  for (;;) {
    const size_t got = file.read(at, block, sizeof block);
    const char* other = std::find_if(block, block + got, [](char byte) { return byte != 0; });
    at += static_cast<uint64_t>(other - block);
    if (got == 0 || other != block + got) return at;
  }
}

// The offset behind the tag (ID3, APE, Lyrics3) at `at`; `at` itself if there is no tag.
uint64_t behind_tag(const Bytes& file, uint64_t at) {
  const std::string start = file.read(at, 32);
  if (start.starts_with("ID3")) return end_of_id3(file, at);
  if (start.starts_with("TAG+")) return at + 227;
  if (start.starts_with("TAG")) return at + 128;
  if (start.starts_with("APETAGEX") && start.size() == 32) {
    const uint64_t size = number_of(std::string_view(start).substr(12, 4), false);
    const bool is_header = (start[23] & 0x20) != 0;
    return at + size + (is_header ? 32 : 0);
  }
  if (start.starts_with("LYRICSBEGIN")) {
    constexpr size_t longest = 1 << 20;
    const std::string text = file.read(at, longest);
    for (const char* end : {"LYRICS200", "LYRICSEND"})
      if (const size_t place = text.find(end); place != std::string::npos) return at + place + 9;
  }
  return at;
}

struct Promise {
  int64_t frames = -1, bytes = -1;  // -1: not given
};

// Reads the number of frames and bytes from a Xing, Info or VBRI header in the first frame.
Promise read_promise(const Bytes& file, uint64_t at, const Header& header) {
  const auto number = [](const std::string& text, size_t place) {
    return static_cast<int64_t>(number_of(std::string_view(text).substr(place, 4), true));
  };
  const std::string xing = file.read(at + 4 + header.side_bytes(), 16);
  if ((xing.starts_with("Xing") || xing.starts_with("Info")) && xing.size() == 16) {
    const bool has_frames = xing[7] & 1, has_bytes = xing[7] & 2;
    return {has_frames ? number(xing, 8) : -1, has_bytes ? number(xing, has_frames ? 12 : 8) : -1};
  }
  const std::string vbri = file.read(at + 4 + 32, 18);
  if (vbri.starts_with("VBRI") && vbri.size() == 18) return {number(vbri, 14), number(vbri, 10)};
  return {};
}

// Error if the header gives another number of frames than the file has. The header occupies a frame of its own, which
// most encoders do not count.
void check_promise(const Promise& promise, const Mp3Frames& frames, int64_t count, const Path& path) {
  const int64_t audio = count - 1;
  if (promise.frames < 0 || promise.frames == audio) return;
  const bool counts_itself =
      promise.frames == count && promise.bytes >= 0 && promise.bytes <= static_cast<int64_t>(frames.end - frames.begin);
  if (promise.frames > audio && !counts_itself)
    fail("{}: cut off, {} of {} frames are there: copy the file again", path.string(), audio, promise.frames);
  if (promise.frames < audio)
    fail("{}: its header promises {} frames and there are {}: {}", path.string(), promise.frames, audio,
         how_to_convert(path));
}

}  // namespace

bool starts_with_mp3(const Bytes& file, uint64_t at) { return read_header(file, behind_zeros(file, at)).has_value(); }

std::optional<uint64_t> find_mp3(const Bytes& file, uint64_t at) {
  constexpr uint64_t longest = 1441;  // 320 kbit/s at 32 kHz
  constexpr int enough = 8;           // frames in a row, which other bytes do not form by chance
  for (const uint64_t begin = at, end = at + longest; at < end; ++at) {
    const auto first = read_header(file, at);
    int count = 0;
    uint64_t next = at;
    for (auto header = first; header && header->bytes > 0 && header->same_stream(*first) && count < enough; ++count) {
      next += static_cast<uint64_t>(header->bytes);
      header = read_header(file, next);
    }
    if (count < enough) continue;
    // A damaged first frame holds the number of frames: without it a file that was cut would be read in part.
    const std::string passed = file.read(begin, at - begin);
    for (const char* tag : {"Xing", "Info", "VBRI"})
      if (passed.find(tag) != std::string::npos) return std::nullopt;
    return at;
  }
  return std::nullopt;
}

Mp3Frames walk_mp3(const Bytes& file, uint64_t at) {
  const std::string path = file.path().string();
  Mp3Frames frames{behind_zeros(file, at), 0};
  const auto first = read_header(file, frames.begin);
  int64_t count = 0;
  for (at = frames.begin; at < file.size();) {
    const auto header = read_header(file, at);
    if (!header) {
      uint64_t next = at;
      for (uint64_t before = UINT64_MAX; next != before;) {
        before = next;
        next = behind_tag(file, behind_zeros(file, next));
      }
      if (next >= file.size()) break;
      if (file.size() - at < 4) fail("{}: cut off within the header of its last frame: copy the file again", path);
      if (next == at || !read_header(file, next))
        fail("{}: damaged, at byte {} is no MP3 frame: copy the file again, or {}", path, at,
             how_to_convert(file.path()));
      at = next;
      continue;
    }
    if (header->bytes == 0)
      fail("{}: an MP3 of free format is not read: encode it again, at a bit rate of the standard", path);
    if (!header->same_stream(*first))
      fail("{}: the sample rate or number of channels changes at byte {}: {}", path, at, how_to_convert(file.path()));
    at += static_cast<uint64_t>(header->bytes);
    if (at > file.size())
      fail("{}: cut off, {} bytes less than its header promises: copy the file again", path, at - file.size());
    frames.end = at;
    ++count;
  }
  check_promise(read_promise(file, frames.begin, *first), frames, count, file.path());
  return frames;
}

}  // namespace loralens
