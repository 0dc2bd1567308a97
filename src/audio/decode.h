// SPDX-License-Identifier: Apache-2.0
// Decodes audio files to 16 kHz mono samples; a damaged or truncated file is an error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"

namespace loralens {

constexpr int sample_rate = 16000;  // Hz, of decoded samples

// A part of a file, in seconds from its start.
struct Segment {
  double start = 0;
  double end = -1;  // < 0: to the end of the file
};

struct AudioFacts {
  double seconds = 0;          // length of the frames read so far, at the sampling rate of the file
  int rate = 0, channels = 0;  // of the file; rate in Hz
  int64_t clipped = 0;         // clipped samples, before mixing: in runs of three or more at full scale
  float low = 0, high = 0;     // smallest and largest sample of the mono mix, at the sampling rate of the file
  double channel_swing = 0;    // largest minus smallest sample of a channel, mean over the channels
};

// Why the audio is no sound that a model could hear, for a message that names the file: silence, a constant value, or
// channels of opposite polarity, which cancel each other in the mono mix; "" if it is none of these.
std::string soundless(const AudioFacts& facts);

// Decodes an audio file, or one segment of it, piece by piece, so that memory does not grow with the file's length. The
// file's bytes tell its format: WAV, RF64, W64, AIFF, AU, CAF and SPHERE (by libsndfile), FLAC (libFLAC), Ogg Vorbis
// and Opus (libsndfile, after all pages were checked), MP3 (libmpg123); others by the program ffmpeg, where it is
// installed (audio/ffmpeg.h). Sample rates are 1,000 to 768,000 Hz; other
// rates than 16 kHz are resampled (soxr, high quality). Mono is the mean of the channels. Segment ends are rounded to
// the nearest frame of the file.
// Codecs that cannot seek exactly (Ogg, MP3) are decoded from the start of the file. Different streams may be read on
// different threads.
//
// Error, on opening or in read():
//   - the file is missing, unreadable, a folder, empty, of another format, or too short for one sample at 16 kHz;
//   - it is truncated or damaged, as far as its container and codec show (lengths, checksums, missing pages, frames);
//   - samples are not finite or beyond 1e9;
//   - the segment is empty or not inside the file.
class AudioStream {
 public:
  explicit AudioStream(const Path& path, Segment segment = {});
  ~AudioStream();
  AudioStream(AudioStream&&) noexcept;
  AudioStream& operator=(AudioStream&&) noexcept;

  // The next `count` samples, 16 kHz mono, ±1 at full scale (float files may exceed it); fewer only at the end.
  std::vector<float> read(size_t count);

  // Facts of the part of the stream read so far: of all of it once read() has returned fewer samples than requested.
  AudioFacts facts() const;

 private:
  friend double audio_seconds(const Path& path, Segment segment);
  struct State;
  std::unique_ptr<State> state_;
};

struct Audio : AudioFacts {
  std::vector<float> samples;  // 16 kHz mono
};

// Decodes a whole file or segment at once. Errors of AudioStream.
Audio load_audio(const Path& path, Segment segment = {});

// The length in seconds of the decoded file, or of `segment` of it. Decodes the file only if the header does not give
// the length. Errors of AudioStream, as far as they can be found without decoding.
double audio_seconds(const Path& path, Segment segment = {});

}  // namespace loralens
