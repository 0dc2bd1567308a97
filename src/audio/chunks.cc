// SPDX-License-Identifier: Apache-2.0
#include "audio/chunks.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "base/error.h"
#include "base/shell.h"
#include "base/text.h"

namespace loralens {
namespace {

constexpr uint64_t unknown_size = 0xffffffff;

uint64_t lacking(const Bytes& file, uint64_t begin, uint64_t size) {
  const uint64_t there = file.size() > begin ? file.size() - begin : 0;
  return size > there ? size - there : 0;
}

// Error if a WAV header's bytes per frame contradict its channels and bits per sample: libsndfile would not check this.
void check_wav_format(const Bytes& file, uint64_t at, bool big_endian) {
  const std::string format = file.read(at, 16);
  if (format.size() < 16) return;
  const auto number = [&](size_t place) { return number_of(std::string_view(format).substr(place, 2), big_endian); };
  const uint64_t tag = number(0), channels = number(2), frame = number(12), bits = number(14);
  const bool plain = tag == 1 || tag == 3 || tag == 0xfffe;  // PCM, float, WAVE_FORMAT_EXTENSIBLE
  const uint64_t narrowest = channels * ((bits + 7) / 8);
  if (plain && channels > 0 && bits > 0 && frame != narrowest && !(bits > 16 && bits <= 24 && frame == channels * 4))
    fail("{}: its header contradicts itself ({} channels of {} bits, {} bytes a frame): write the file again",
         file.path().string(), channels, bits, frame);
}

// Whether a size field that a writer to a pipe left, without knowing the length, holds no size: -1, or a value near the
// largest or the largest signed one (SoX, arecord, ffmpeg, servers that subtract the bytes of their header), and beyond
// the file's end. `width`: bytes of the field; `near`: how far below. A file of that size that was cut is then refused.
constexpr uint64_t near_32_bits = 4096, near_32_bits_in_aiff = uint64_t{1} << 24, near_64_bits = uint64_t{1} << 40;
bool holds_no_size(uint64_t size, uint64_t there, int width, uint64_t near) {
  const int bits = 8 * width;
  const uint64_t largest = UINT64_MAX >> (64 - bits), signed_limit = uint64_t{1} << (bits - 1);
  return size > there && (size >= largest - near || (size >= signed_limit - near && size <= signed_limit));
}

// Of several chunks of samples libsndfile reads one.
void expect_first(bool is_first, const Bytes& file) {
  if (!is_first)
    fail("{}: its samples lie in several chunks, and only one of them would be read: write the file again, with one",
         file.path().string());
}

// Whether whole chunks of RIFF, and nothing else, lie between `at` and the file's end.
bool chunks_follow(const Bytes& file, uint64_t at) {
  while (at + 8 <= file.size()) {
    const std::string chunk = file.read(at, 8);
    if (!std::all_of(chunk.begin(), chunk.begin() + 4, [](char c) { return c >= ' ' && c <= '~'; })) return false;
    const uint64_t size = number_of(std::string_view(chunk).substr(4, 4), false);
    at += 8 + size + size % 2;
  }
  return at == file.size() || at == file.size() + 1;
}

// A chunk is a name of four letters, a size of four bytes, and the data, padded to an even length.
Container read_wav(const Bytes& file, bool big_endian) {
  const uint64_t form_size = number_of(file.read(4, 4), big_endian);
  Container container;
  if (file.read(0, 4) == "BW64") container.patches.push_back({0, "RF64"});  // ITU-R BS.2088: RF64 with other metadata
  uint64_t long_size = 0, long_at = 0;  // RF64 stores the 64-bit size of its samples in the ds64 chunk
  bool seen = false;
  for (uint64_t at = 12; at + 8 <= file.size();) {
    const std::string chunk = file.read(at, 24);
    const std::string_view name = std::string_view(chunk).substr(0, 4);
    if (name.find('\0') != std::string::npos) break;  // not a chunk: left to libsndfile
    uint64_t size = number_of(std::string_view(chunk).substr(4, 4), big_endian);
    const uint64_t there = file.size() - at - 8;
    if (name == "ds64" && chunk.size() == 24) {
      long_at = at + 16;
      long_size = number_of(std::string_view(chunk).substr(16, 8), false);
    }
    if (name == "fmt ") check_wav_format(file, at + 8, big_endian);
    if (name == "data") {
      expect_first(!seen, file);
      seen = true;
      const bool is_long = size == unknown_size && long_at > 0;
      if (is_long) size = long_size;
      const bool unset = size == 0 && there > 0 &&
                         ((!is_long && form_size + 8 != file.size()) || big_endian || !chunks_follow(file, at + 8));
      const bool none =
          is_long ? holds_no_size(size, there, 8, near_64_bits) : holds_no_size(size, there, 4, near_32_bits);
      if (unset || none || (size == unknown_size && !is_long)) {
        container.patches.push_back({at + 4, bytes_of_number(unknown_size, 4, big_endian)});
        if (is_long) container.patches.push_back({long_at, bytes_of_number(there, 8, false)});
        break;
      }
      container.missing = lacking(file, at + 8, size);
      if (container.missing > 0) break;
    }
    at += 8 + size + size % 2;
  }
  return container;
}

Container read_aiff(const Bytes& file) {
  Container container;
  bool seen = false;
  for (uint64_t at = 12; at + 8 <= file.size();) {
    const std::string chunk = file.read(at, 30);
    const std::string_view name = std::string_view(chunk).substr(0, 4);
    if (name.find('\0') != std::string::npos) break;
    const uint64_t size = number_of(std::string_view(chunk).substr(4, 4), true);
    if (name == "SSND") {
      expect_first(!seen, file);
      seen = true;
      const uint64_t there = file.size() - at - 8;
      if ((size == 0 && there > 8) || holds_no_size(size, there, 4, near_32_bits_in_aiff))
        return {.patches = {{at + 4, bytes_of_number(std::min(there, unknown_size), 4, true)}}};
      container.missing = lacking(file, at + 8, size);
    }
    if (name == "COMM" && chunk.size() >= 26) {
      // The header counts frames in uncompressed types, but packets in compressed ones; 0 if the writer did not know.
      const std::string_view type = size < 22 || chunk.size() < 30 ? "NONE" : std::string_view(chunk).substr(26, 4);
      const uint64_t frames = number_of(std::string_view(chunk).substr(10, 4), true);
      for (const char* plain : {"NONE", "sowt", "twos", "raw ", "in24", "in32", "fl32", "FL32", "fl64", "FL64", "ulaw",
                                "ULAW", "alaw", "ALAW"})
        if (type == plain && frames > 0) container.frames = static_cast<int64_t>(frames);
    }
    at += 8 + size + size % 2;
  }
  return container;
}

// A W64 chunk begins with a GUID of 16 bytes, whose first four are the chunk's name, and a size of eight bytes that
// counts these 24 bytes too.
Container read_w64(const Bytes& file) {
  const uint64_t form_size = number_of(file.read(16, 8), false);
  Container container;
  bool seen = false;
  for (uint64_t at = 40; at + 24 <= file.size();) {
    const std::string chunk = file.read(at, 24);
    const std::string_view name = std::string_view(chunk).substr(0, 4);
    const uint64_t size = number_of(std::string_view(chunk).substr(16, 8), false), there = file.size() - at;
    if (name == "fmt ") check_wav_format(file, at + 24, false);
    if (name == "data") {
      expect_first(!seen, file);
      seen = true;
      const bool unset = there > 24 && (size < 24 || (size == 24 && form_size != file.size()));
      if (unset || holds_no_size(size, there, 8, near_64_bits))
        return {.patches = {{16, bytes_of_number(file.size(), 8, false)}, {at + 16, bytes_of_number(there, 8, false)}}};
      container.missing = lacking(file, at, size);
    }
    if (size < 24 || size > UINT64_MAX / 2 || container.missing > 0) break;
    at += (size + 7) / 8 * 8;
  }
  return container;
}

// In CAF a data chunk of size -1 extends to the end of the file.
Container read_caf(const Bytes& file) {
  Container container;
  bool seen = false;
  for (uint64_t at = 8; at + 12 <= file.size();) {
    const std::string chunk = file.read(at, 12);
    const uint64_t size = number_of(std::string_view(chunk).substr(4, 8), true), there = file.size() - at - 12;
    if (chunk.starts_with("data")) {
      expect_first(!seen, file);
      seen = true;
      if ((size == 0 && there > 4) || holds_no_size(size, there, 8, near_64_bits))
        return {.patches = {{at + 4, bytes_of_number(there, 8, true)}}};
    }
    container.missing = lacking(file, at + 12, size);
    if (container.missing > 0) break;
    at += 12 + size;
  }
  return container;
}

Container read_au(const Bytes& file, bool big_endian) {
  const std::string header = file.read(0, 12);
  if (header.size() < 12) return {};
  const uint64_t begin = number_of(std::string_view(header).substr(4, 4), big_endian);
  const uint64_t size = number_of(std::string_view(header).substr(8, 4), big_endian);
  const uint64_t there = file.size() > begin ? file.size() - begin : 0;
  if ((size == 0 && there > 0) || size == unknown_size || holds_no_size(size, there, 4, near_32_bits))
    return {.patches = {{8, bytes_of_number(unknown_size, 4, big_endian)}}};
  return {.missing = lacking(file, begin, size)};
}

// A SPHERE header is "NIST_1A", its size, and lines with a name, a type and a value.
Container read_sphere(const Bytes& file) {
  constexpr size_t longest = 1 << 16;
  const auto size_of_header = [&] {
    uint64_t size = 0;
    const std::string text = file.read(8, 8);
    const size_t begin = std::min(text.find_first_not_of(' '), text.size());
    std::from_chars(text.data() + begin, text.data() + text.size(), size);
    return size;
  }();
  std::istringstream lines(file.read(0, std::min<uint64_t>(size_of_header, longest)));
  double count = -1, channels = 1, width = -1;
  std::string coding;
  bool ended = false;
  for (std::string line; !ended && std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name, type, value;
    words >> name >> type >> value;
    const auto number = [&] { return std::strtod(value.c_str(), nullptr); };
    if (name == "sample_count") count = number();
    if (name == "channel_count") channels = number();
    if (name == "sample_n_bytes") width = number();
    if (name == "sample_coding") coding = value;
    ended = name == "end_head";
  }
  if (!ended) fail("{}: its header has no end: copy the file again", file.path().string());
  if (coding.find("embedded-") != std::string::npos)
    fail("{}: its samples are compressed ({}), which is not read: decompress it with sph2pipe -f wav {} {}",
         file.path().string(), shown(coding), shell_word(file.path().string()),
         shell_word((file.path().parent_path() / file.path().stem()).string() + ".wav"));
  if (!(count >= 0 && width > 0 && channels > 0)) return {};  // no length in the header: decode to the end of the file
  const double size = count * width * channels;
  const auto there = static_cast<double>(file.size() - std::min(file.size(), size_of_header));
  if (size > there) return {.missing = static_cast<uint64_t>(std::min(size - there, 0x1p62))};
  return {.frames = static_cast<int64_t>(count)};
}

}  // namespace

std::optional<Container> read_chunks(const Bytes& file) {
  const std::string start = file.read(0, 40);
  const std::string_view kind = std::string_view(start).substr(0, 4);
  const std::string_view form = start.size() >= 12 ? std::string_view(start).substr(8, 4) : "";
  if ((kind == "RIFF" || kind == "RF64" || kind == "BW64") && form == "WAVE") return read_wav(file, false);
  if (kind == "RIFX" && form == "WAVE") return read_wav(file, true);
  if (kind == "FORM" && (form == "AIFF" || form == "AIFC")) return read_aiff(file);
  if (kind == "riff" && start.size() == 40 && start.substr(24, 4) == "wave") return read_w64(file);
  if (kind == "caff") return read_caf(file);
  if (kind == ".snd") return read_au(file, true);
  if (kind == "dns.") return read_au(file, false);
  if (start.starts_with("NIST_1A\n")) return read_sphere(file);
  return {};
}

}  // namespace loralens
