// SPDX-License-Identifier: Apache-2.0
#include "audio/decode.h"

#include <soxr.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <span>

#include "audio/decoder.h"
#include "base/error.h"

namespace loralens {
namespace {

constexpr int64_t block_values = 1 << 16;
constexpr int64_t unknown_length = INT64_MAX;

struct FrameRange {
  int64_t begin, end;  // end: unknown_length means to the end of the file
};

FrameRange frames_of(const Segment& segment, const AudioDecoder& file, const Path& path) {
  const bool to_end = segment.end < 0;
  if (!std::isfinite(segment.start) || !std::isfinite(segment.end) || segment.start < 0)
    fail("{}: a segment from {} to {} s makes no sense: start must be 0 or more", path.string(), segment.start,
         segment.end);
  if (!to_end && segment.end <= segment.start)
    fail("{}: the segment ends at {} s, not after its start at {} s: correct start and end", path.string(), segment.end,
         segment.start);
  const double start = std::round(segment.start * file.rate), end = std::round(segment.end * file.rate);
  const auto length = static_cast<double>(file.frames < 0 ? unknown_length : file.frames);
  if (start >= length || end > length)
    fail("{}: the segment from {} s to {} is not inside the file, which lasts {:.6f} s: correct start and end",
         path.string(), segment.start, to_end ? "its end" : fmt::format("{} s", segment.end), length / file.rate);
  if (!to_end && end <= start)
    fail("{}: the segment from {} to {} s is shorter than one sample: correct start and end", path.string(),
         segment.start, segment.end);
  const int64_t file_end = file.frames < 0 ? unknown_length : file.frames;
  return {static_cast<int64_t>(start), to_end ? file_end : static_cast<int64_t>(end)};
}

// Resamples mono samples of any rate to 16 kHz and appends them to a vector.
class Resampler {
 public:
  Resampler(int rate, const Path& path) : path_(path) {
    if (rate == sample_rate) return;
    soxr_error_t error = nullptr;
    const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    soxr_.reset(soxr_create(rate, sample_rate, 1, &error, nullptr, &quality, nullptr));
    if (error) fail("{}: cannot resample from {} Hz ({}): convert it to 16 kHz", path_.string(), rate, error);
  }

  void add(std::span<const float> samples, std::vector<float>& out) {
    if (soxr_)
      process(samples.data(), samples.size(), out);
    else
      out.insert(out.end(), samples.begin(), samples.end());
  }

  void finish(std::vector<float>& out) {
    if (soxr_) process(nullptr, 0, out);
  }

 private:
  void process(const float* samples, size_t count, std::vector<float>& out) {
    size_t used = 0, made = 0;
    do {
      size_t taken = 0;
      const soxr_error_t error = soxr_process(soxr_.get(), samples ? samples + used : nullptr, count - used, &taken,
                                              made_.data(), made_.size(), &made);
      if (error) fail("{}: resampling failed ({}): convert it to 16 kHz", path_.string(), error);
      used += taken;
      out.insert(out.end(), made_.begin(), made_.begin() + static_cast<ptrdiff_t>(made));
    } while (used < count || made == made_.size());
  }

  Path path_;
  std::vector<float> made_ = std::vector<float>(block_values);
  std::unique_ptr<soxr, void (*)(soxr_t)> soxr_{nullptr, soxr_delete};
};

// Mixes to mono: mono[i] is the mean of frame i's channels. Returns the index of the first invalid frame (not finite,
// or beyond 1e9 in sum), or the number of frames.
size_t mix(std::span<const float> interleaved, size_t channels, std::span<float> mono) {
  constexpr double loudest = 1e9;  // the power of louder samples would overflow in the log-mel
  for (size_t i = 0; i < mono.size(); ++i) {
    double sum = 0;
    for (size_t c = 0; c < channels; ++c) sum += interleaved[i * channels + c];
    if (!(std::abs(sum) <= loudest)) return i;
    mono[i] = static_cast<float>(sum / static_cast<double>(channels));
  }
  return mono.size();
}

// Counts clipped values: runs of three or more values at full scale. A single value there is only the peak of a
// normalised file.
class ClipCount {
 public:
  explicit ClipCount(size_t channels) : runs_(channels) {}

  void add(std::span<const float> interleaved) {
    for (size_t i = 0; i < interleaved.size(); ++i) {
      int64_t& run = runs_[i % runs_.size()];
      run = std::abs(interleaved[i]) >= full_scale ? run + 1 : 0;
      if (run >= shortest) count_ += run == shortest ? shortest : 1;
    }
  }
  int64_t count() const { return count_; }

 private:
  static constexpr float full_scale = 0.9999F;  // the largest 16-bit sample is 0.99997
  static constexpr int64_t shortest = 3;
  std::vector<int64_t> runs_;  // current run of each channel
  int64_t count_ = 0;
};

// The smallest and largest sample of each channel and of the mono mix.
class Levels {
 public:
  explicit Levels(size_t channels) : channels_(channels) {}

  void add(std::span<const float> interleaved, std::span<const float> mono) {
    for (size_t i = 0; i < interleaved.size(); ++i) channels_[i % channels_.size()].add(interleaved[i]);
    for (const float sample : mono) mono_.add(sample);
  }

  void write(AudioFacts& facts) const {
    if (mono_.low > mono_.high) return;  // nothing was added
    facts.low = mono_.low;
    facts.high = mono_.high;
    for (const Extremes& channel : channels_)
      facts.channel_swing += (static_cast<double>(channel.high) - channel.low) / static_cast<double>(channels_.size());
  }

 private:
  struct Extremes {
    float low = std::numeric_limits<float>::max(), high = std::numeric_limits<float>::lowest();

    void add(float sample) {
      low = std::min(low, sample);
      high = std::max(high, sample);
    }
  };

  std::vector<Extremes> channels_;
  Extremes mono_;
};

}  // namespace

std::string soundless(const AudioFacts& facts) {
  constexpr double silent = 2e-3;     // swing of samples at -60 dB of full scale
  constexpr double cancelled = 0.1;   // share of the channels' swing that is left in their mean
  const double swing = static_cast<double>(facts.high) - facts.low;
  if (facts.channels > 1 && facts.channel_swing > silent && swing < cancelled * facts.channel_swing)
    return "its channels cancel each other (opposite polarity), so that little is left in their mean: keep one channel "
           "(ffmpeg -i IN -af 'pan=mono|c0=c0' OUT)";
  if (swing >= silent) return "";
  if (std::abs(facts.high + facts.low) / 2 < silent)
    return "silence, nothing in it is louder than -60 dB of full scale";
  return fmt::format("a constant value ({:.3f}) and no sound", (facts.high + facts.low) / 2);
}

struct AudioStream::State {
  Path path;
  std::unique_ptr<AudioDecoder> file;
  FrameRange frames;
  int64_t at;  // next frame of the file to decode
  Resampler resampler;
  ClipCount clips;
  Levels levels;
  std::vector<float> interleaved, mono;  // one decoded block
  std::vector<float> ready;              // 16 kHz samples that read() has not returned yet
  int64_t given = 0;
  bool ended = false;

  State(const Path& path_, const Segment& segment)
      : path(path_),
        file(open_decoder(path)),
        frames(frames_of(segment, *file, path)),
        at(frames.begin),
        resampler(file->rate, path),
        clips(file->channels),
        levels(file->channels),
        mono(std::max<int64_t>(1, block_values / file->channels)) {
    interleaved.resize(mono.size() * file->channels);
    if (frames.begin > 0 && !file->seek(frames.begin)) skip();
  }

  double seconds_at(int64_t frame) const { return static_cast<double>(frame) / file->rate; }

  // Decodes and discards the frames before the segment.
  void skip() {
    for (int64_t done = 0; done < frames.begin;) {
      const int64_t got = file->read(interleaved.data(), std::min(std::ssize(mono), frames.begin - done));
      if (got <= 0) fail_short(done, frames.begin);
      done += got;
    }
  }

  void read_block() {
    const int64_t wanted = std::min(std::ssize(mono), frames.end - at);
    const int64_t got = wanted > 0 ? file->read(interleaved.data(), wanted) : 0;
    if (got <= 0) return end();
    const std::span mixed = std::span(mono).first(got);
    if (const size_t good = mix(interleaved, file->channels, mixed); good < mixed.size())
      fail("{}: the sample at {:.6f} s is not a finite number near full scale, 1: repair the file or leave it out",
           path.string(), seconds_at(at + static_cast<int64_t>(good)));
    const std::span decoded = std::span<const float>(interleaved).first(mixed.size() * file->channels);
    clips.add(decoded);
    levels.add(decoded, mixed);
    resampler.add(mixed, ready);
    at += got;
  }

  [[noreturn]] void fail_short(int64_t there, int64_t promised) const {
    if (file->frames < 0)
      fail("{}: the segment is not inside the file, which lasts {:.6f} s: correct start and end", path.string(),
           seconds_at(there));
    fail("{}: cut off or damaged, it ends at {:.6f} s of {:.6f}: copy the file again", path.string(), seconds_at(there),
         seconds_at(promised));
  }

  void end() {
    ended = true;
    if (frames.end != unknown_length && at < frames.end) fail_short(at, frames.end);
    check_decoded_to_end();
    if (at == frames.begin)
      fail("{}: the file holds no samples from {} s on: leave it out", path.string(), seconds_at(frames.begin));
    resampler.finish(ready);
    if (given == 0 && ready.empty()) fail_empty(path, at - frames.begin, file->rate);
  }

  // Reads past the last frame: the file may be longer than its header says, and decoders verify checksums at the end.
  void check_decoded_to_end() {
    if (frames.end == file->frames && file->read(interleaved.data(), 1) > 0)
      fail("{}: it holds more than its header promises: copy the file again, or write it again with another program",
           path.string());
  }

  [[noreturn]] static void fail_empty(const Path& path, int64_t frames, int rate) {
    fail("{}: {} sample{} at {} Hz {} less than one at 16 kHz: leave the clip out", path.string(), frames,
         frames == 1 ? "" : "s", rate, frames == 1 ? "is" : "are");
  }
};

AudioStream::AudioStream(const Path& path, Segment segment) : state_(std::make_unique<State>(path, segment)) {}
AudioStream::~AudioStream() = default;
AudioStream::AudioStream(AudioStream&&) noexcept = default;
AudioStream& AudioStream::operator=(AudioStream&&) noexcept = default;

std::vector<float> AudioStream::read(size_t count) {
  State& state = *state_;
  while (!state.ended && state.ready.size() < count) state.read_block();
  const auto taken = static_cast<ptrdiff_t>(std::min(count, state.ready.size()));
  std::vector<float> samples(state.ready.begin(), state.ready.begin() + taken);
  state.ready.erase(state.ready.begin(), state.ready.begin() + taken);
  state.given += taken;
  return samples;
}

AudioFacts AudioStream::facts() const {
  const State& state = *state_;
  AudioFacts facts{state.seconds_at(state.at - state.frames.begin), state.file->rate, state.file->channels,
                   state.clips.count()};
  state.levels.write(facts);
  return facts;
}

Audio load_audio(const Path& path, Segment segment) {
  constexpr size_t piece = size_t{30} * sample_rate;
  AudioStream stream(path, segment);
  Audio audio;
  for (bool more = true; more;) {
    const auto samples = stream.read(piece);
    audio.samples.insert(audio.samples.end(), samples.begin(), samples.end());
    more = samples.size() == piece;
  }
  static_cast<AudioFacts&>(audio) = stream.facts();
  return audio;
}

double audio_seconds(const Path& path, Segment segment) {
  const auto file = open_decoder(path);
  if (file->frames < 0) {
    AudioStream stream(path, segment);
    while (!stream.read(block_values).empty()) {
    }
    return stream.facts().seconds;
  }
  const FrameRange frames = frames_of(segment, *file, path);
  const int64_t count = frames.end - frames.begin;
  const double seconds = static_cast<double>(count) / file->rate;
  if (std::floor(seconds * sample_rate + 0.5) < 1) AudioStream::State::fail_empty(path, count, file->rate);
  return seconds;
}

}  // namespace loralens
