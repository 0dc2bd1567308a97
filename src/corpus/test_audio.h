// SPDX-License-Identifier: Apache-2.0
// For tests: the bytes of a small WAV file.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

namespace loralens {

// Silence, 16 kHz, mono, 16 bits.
inline std::string silent_wav(double seconds) {
  const auto size = static_cast<uint32_t>(seconds * 16000) * 2;
  std::string bytes = "RIFF????WAVEfmt ????????????????????data????";
  const auto put = [&](size_t at, uint32_t value, size_t width) { std::memcpy(&bytes[at], &value, width); };
  put(4, 36 + size, 4);
  put(16, 16, 4);
  put(20, 1, 2);  // PCM
  put(22, 1, 2);
  put(24, 16000, 4);
  put(28, 32000, 4);
  put(32, 2, 2);
  put(34, 16, 2);
  put(40, size, 4);
  return bytes + std::string(size, '\0');
}

}  // namespace loralens
