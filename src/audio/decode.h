// Audio files as 16 kHz mono samples: decoding by libsndfile, resampling by soxr.
#pragma once

#include <cstdint>
#include <vector>

#include "base/files.h"

namespace loralens {

constexpr int sample_rate = 16000;  // Hz, of everything after decoding

// A part of a file, in seconds from its start.
struct Segment {
  double start = 0;
  double end = -1;  // < 0: to the end of the file
};

struct Audio {
  std::vector<float> samples;  // 16 kHz mono, ±1 at full scale (float files may exceed it)
  double seconds = 0;          // length of what was read, counted in the file's own frames
  int rate = 0, channels = 0;  // of the file, Hz
  int64_t clipped = 0;         // the file's own values that are at full scale three or more times running
};

// Reads a file, or only `segment` of it, whatever format, rate and number of channels libsndfile reads (WAV, FLAC, Ogg,
// MP3, AIFF, ...). Mono is the mean of the channels; other rates than 16 kHz are resampled (soxr, high quality).
// Segment ends are rounded to the nearest frame of the file; what lies before is decoded only in Ogg and MP3.
// Thread-safe. A damaged MP3 may make the decoder inside libsndfile complain on standard error.
// Error: missing, unreadable, a folder, empty, not audio, without samples, cut off (it holds less than its header
// promises), NaN or infinite samples, a segment that is empty or not inside the file.
Audio load_audio(const Path& path, Segment segment = {});

// The length in seconds of a file or of `segment` of it, by its header alone where that says it. Errors as above, as
// far as they show there.
double audio_seconds(const Path& path, Segment segment = {});

}  // namespace loralens
