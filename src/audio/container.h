// What the headers of audio files promise. libsndfile quietly shortens a file that was cut off.
#pragma once

#include <cstdint>

#include "base/files.h"

namespace loralens {

struct Container {
  // Bytes that the file lacks of what its header promises: the sample chunk of WAV, RF64 and AIFF, the last page of
  // Ogg. 0 if it is whole, of another kind, or a stream whose writer did not know the length: size 0, 0xFFFFFFFF, or
  // the 0x7FFFF000 and more that SoX and arecord write.
  uint64_t missing = 0;
  // Where the size of the sample chunk stands in a WAV that was never closed: it says 0, but samples follow. Else 0.
  uint64_t unset_size_at = 0;
};

// Error: missing, not a file, empty, unreadable.
Container read_container(const Path& path);

}  // namespace loralens
