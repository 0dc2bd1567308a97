// SPDX-License-Identifier: Apache-2.0
// Frames: how a script that this program runs answers through a pipe. A frame is a byte for its kind, the length of a
// JSON text (4 bytes, little endian), the length of the bytes behind it (8 bytes), the text and the bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace loralens {

struct Frame {
  char kind = 0;
  nlohmann::json about;  // a JSON object
  std::string bytes;
};

// Reads the given number of bytes into the buffer. Returns how many it read: fewer only where the stream ends.
using ReadBytes = std::function<size_t(char*, size_t)>;

struct FrameLimits {  // in bytes
  uint64_t about = uint64_t{16} << 20, bytes = uint64_t{1} << 30;
};

// The next frame; nullopt at the end. `where` begins each error. Error for an end within a frame, a length above its
// limit, and a text that is no JSON object. Memory is allocated as the bytes arrive.
std::optional<Frame> read_frame(const ReadBytes& read, const std::string& where, const FrameLimits& limits = {});

}  // namespace loralens
