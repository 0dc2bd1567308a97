// SPDX-License-Identifier: Apache-2.0
#include "base/programs/frames.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/formats/json.h"

namespace loralens {
namespace {

constexpr size_t frame_head = 13, piece = size_t{1} << 20;

uint64_t little_endian(const char* bytes, size_t count) {
  uint64_t number = 0;
  for (size_t i = count; i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

std::string read_exactly(const ReadBytes& read, uint64_t count, const std::string& where) {
  std::string bytes;
  while (bytes.size() < count) {
    const size_t before = bytes.size(), wanted = std::min<uint64_t>(piece, count - before);
    bytes.resize(before + wanted);
    if (read(bytes.data() + before, wanted) < wanted) fail("{}: the answer ends within a frame", where);
  }
  return bytes;
}

}  // namespace

std::optional<Frame> read_frame(const ReadBytes& read, const std::string& where, const FrameLimits& limits) {
  std::array<char, frame_head> head{};
  const size_t got = read(head.data(), head.size());
  if (got == 0) return std::nullopt;
  if (got < head.size()) fail("{}: the answer ends within a frame", where);
  const uint64_t about = little_endian(head.data() + 1, 4), bytes = little_endian(head.data() + 5, 8);
  if (about > limits.about)
    fail("{}: {} bytes describe a row or the columns, the limit is {}", where, about, limits.about);
  if (bytes > limits.bytes) fail("{}: {} bytes of audio in a row, the limit is {}", where, bytes, limits.bytes);
  Frame frame{.kind = head[0], .about = parse_json(read_exactly(read, about, where), where), .bytes = {}};
  if (!frame.about.is_object()) fail("{}: the answer is no JSON object", where);
  frame.bytes = read_exactly(read, bytes, where);
  return frame;
}

}  // namespace loralens
