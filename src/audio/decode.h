// Audio files as 16 kHz mono samples, whole or not at all.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/files.h"

namespace loralens {

constexpr int sample_rate = 16000;  // Hz, of everything after decoding

// A part of a file, in seconds from its start.
struct Segment {
  double start = 0;
  double end = -1;  // < 0: to the end of the file
};

struct AudioFacts {
  double seconds = 0;          // length of what was read, counted in the file's own frames
  int rate = 0, channels = 0;  // of the file, Hz
  int64_t clipped = 0;         // the file's own values that are at full scale three or more times running
};

// A file, or only `segment` of it, decoded piece by piece in bounded memory: WAV, RF64, W64, AIFF, AU, CAF and SPHERE
// (libsndfile), FLAC (libFLAC), Ogg Vorbis and Opus (libsndfile, after all pages were checked), MP3 (libmpg123), told by
// their bytes, at 1,000 to 768,000 Hz. Mono is the mean of the channels; other rates than 16 kHz are resampled (soxr,
// high quality). Segment ends are rounded to the nearest frame of the file; what lies before is decoded where a codec
// cannot be entered in its middle (Ogg, MP3). Different streams may be read on different threads.
//
// Error, as it opens or in read(): missing, unreadable, a folder, empty, another kind of file, without samples at 16 kHz,
// cut off or damaged as far as containers and codecs can tell (lengths, checksums, a page or frame that is missing),
// samples that are no finite numbers or beyond 1e9, a segment that is empty or not inside the file.
class AudioStream {
 public:
  explicit AudioStream(const Path& path, Segment segment = {});
  ~AudioStream();
  AudioStream(AudioStream&&) noexcept;
  AudioStream& operator=(AudioStream&&) noexcept;

  // The next `count` samples, 16 kHz mono, ±1 at full scale (float files may exceed it); fewer only at the end.
  std::vector<float> read(size_t count);

  // Of what was read so far; of the whole once read() has returned fewer than asked for.
  AudioFacts facts() const;

 private:
  friend double audio_seconds(const Path& path, Segment segment);
  struct State;
  std::unique_ptr<State> state_;
};

struct Audio : AudioFacts {
  std::vector<float> samples;  // 16 kHz mono
};

// All of a stream at once.
Audio load_audio(const Path& path, Segment segment = {});

// The length in seconds of a file or of `segment` of it: what decoding it gives, but without decoding where the file
// says it. Errors as above, as far as they show there.
double audio_seconds(const Path& path, Segment segment = {});

}  // namespace loralens
