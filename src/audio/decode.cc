#include "audio/decode.h"

#include <sndfile.h>
#include <soxr.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <span>

#include "audio/container.h"
#include "base/error.h"

namespace loralens {
namespace {

constexpr sf_count_t unknown_length = SF_COUNT_MAX;  // libsndfile's word for a stream that does not say
constexpr sf_count_t block_values = 1 << 16;

// A WAV that was never closed, as libsndfile wants to see it: the size of its samples reads 0xFFFFFFFF.
struct UnclosedFile {
  std::ifstream in;
  sf_count_t length, size_at, at = 0;

  static sf_count_t get_length(void* self) { return static_cast<UnclosedFile*>(self)->length; }
  static sf_count_t tell(void* self) { return static_cast<UnclosedFile*>(self)->at; }
  static sf_count_t seek(sf_count_t offset, int whence, void* self) {
    auto& file = *static_cast<UnclosedFile*>(self);
    const sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? file.at : file.length;
    return file.at = std::clamp<sf_count_t>(from + offset, 0, file.length);
  }
  static sf_count_t read(void* bytes, sf_count_t count, void* self) {
    auto& file = *static_cast<UnclosedFile*>(self);
    file.in.clear();
    file.in.seekg(file.at);
    file.in.read(static_cast<char*>(bytes), count);
    const sf_count_t got = file.in.gcount();
    for (sf_count_t i = 0; i < 4; ++i)
      if (const sf_count_t k = file.size_at + i - file.at; k >= 0 && k < got) static_cast<char*>(bytes)[k] = '\xff';
    file.at += got;
    return got;
  }
};

struct OpenFile {
  SF_INFO info{};
  std::unique_ptr<UnclosedFile> unclosed;
  std::unique_ptr<SNDFILE, int (*)(SNDFILE*)> handle{nullptr, sf_close};
};

OpenFile open_audio(const Path& path) {
  const Container container = read_container(path);
  if (container.missing > 0)
    fail("{}: cut off, {} bytes less than its header promises: copy the file again", path.string(), container.missing);
  OpenFile file;
  if (container.unset_size_at > 0) {
    SF_VIRTUAL_IO calls{UnclosedFile::get_length, UnclosedFile::seek, UnclosedFile::read, nullptr, UnclosedFile::tell};
    file.unclosed.reset(new UnclosedFile{std::ifstream(path, std::ios::binary),
                                         static_cast<sf_count_t>(std::filesystem::file_size(path)),
                                         static_cast<sf_count_t>(container.unset_size_at)});
    file.handle.reset(sf_open_virtual(&calls, SFM_READ, &file.info, file.unclosed.get()));
  } else {
    file.handle.reset(sf_open(path.c_str(), SFM_READ, &file.info));
  }
  if (!file.handle)
    fail("{}: not audio that can be read (WAV, FLAC, Ogg, MP3, AIFF, ...): convert it or leave it out", path.string());
  if (file.info.frames == 0) fail("{}: the file holds no samples: leave it out", path.string());
  return file;
}

// Makes `begin` the next frame to be read. libsndfile lands up to 128 frames off in Vorbis, garbles what follows in
// MP3, and cannot seek in some rare codecs: there everything before is decoded.
void go_to(OpenFile& file, const Path& path, sf_count_t begin) {
  if (begin == 0) return;
  const int format = file.info.format & SF_FORMAT_TYPEMASK;
  if (format != SF_FORMAT_OGG && format != SF_FORMAT_MPEG) {
    if (sf_seek(file.handle.get(), begin, SEEK_SET) == begin) return;
    file.handle.reset();
    file = open_audio(path);
  }
  const sf_count_t channels = file.info.channels, block = std::max<sf_count_t>(1, block_values / channels);
  std::vector<float> unused(block * channels);
  for (sf_count_t at = 0; at < begin;) {
    const sf_count_t got = sf_readf_float(file.handle.get(), unused.data(), std::min(block, begin - at));
    if (got <= 0)
      fail("{}: cut off or damaged, it ends at {:.6f} s: copy the file again", path.string(),
           static_cast<double>(at) / file.info.samplerate);
    at += got;
  }
}

struct Frames {
  sf_count_t begin, end;  // end: unknown_length for all that comes
};

Frames frames_of(const Segment& segment, const SF_INFO& info, const Path& path) {
  const bool to_end = segment.end < 0;
  if (!std::isfinite(segment.start) || !std::isfinite(segment.end) || segment.start < 0)
    fail("{}: a segment from {} to {} s makes no sense: start must be 0 or more", path.string(), segment.start,
         segment.end);
  if (!to_end && segment.end <= segment.start)
    fail("{}: the segment ends at {} s, not after its start at {} s: correct start and end", path.string(), segment.end,
         segment.start);
  const double start = std::round(segment.start * info.samplerate), end = std::round(segment.end * info.samplerate);
  const auto length = static_cast<double>(info.frames);
  if (start >= length || end > length)
    fail("{}: the segment from {} s to {} is not inside the file, which lasts {:.6f} s: correct start and end",
         path.string(), segment.start, to_end ? "its end" : fmt::format("{} s", segment.end),
         length / info.samplerate);
  if (!to_end && end <= start)
    fail("{}: the segment from {} to {} s is shorter than one sample: correct start and end", path.string(),
         segment.start, segment.end);
  return {static_cast<sf_count_t>(start), to_end ? info.frames : static_cast<sf_count_t>(end)};
}

// Appends samples of any rate to a vector at 16 kHz.
class Resampler {
 public:
  Resampler(int rate, const Path& path, std::vector<float>& out) : path_(path), out_(out) {
    if (rate == sample_rate) return;
    soxr_error_t error = nullptr;
    const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    soxr_.reset(soxr_create(rate, sample_rate, 1, &error, nullptr, &quality, nullptr));
    if (error) fail("{}: cannot resample from {} Hz ({}): convert it to 16 kHz", path_.string(), rate, error);
  }

  void add(std::span<const float> samples) {
    if (soxr_)
      process(samples.data(), samples.size());
    else
      out_.insert(out_.end(), samples.begin(), samples.end());
  }

  void finish() {
    if (soxr_) process(nullptr, 0);
  }

 private:
  void process(const float* samples, size_t count) {
    size_t used = 0, made = 0;
    do {
      size_t taken = 0;
      const soxr_error_t error = soxr_process(soxr_.get(), samples ? samples + used : nullptr, count - used, &taken,
                                              made_.data(), made_.size(), &made);
      if (error) fail("{}: resampling failed ({}): convert it to 16 kHz", path_.string(), error);
      used += taken;
      out_.insert(out_.end(), made_.begin(), made_.begin() + static_cast<ptrdiff_t>(made));
    } while (used < count || made == made_.size());
  }

  const Path& path_;
  std::vector<float>& out_;
  std::vector<float> made_ = std::vector<float>(block_values);
  std::unique_ptr<soxr, void (*)(soxr_t)> soxr_{nullptr, soxr_delete};
};

// mono[i]: the mean of frame i's channels. Returns the first frame that is not finite, or the number of frames.
size_t mix(std::span<const float> interleaved, size_t channels, std::span<float> mono) {
  for (size_t i = 0; i < mono.size(); ++i) {
    double sum = 0;
    for (size_t c = 0; c < channels; ++c) sum += interleaved[i * channels + c];
    if (!std::isfinite(sum)) return i;
    mono[i] = static_cast<float>(sum / static_cast<double>(channels));
  }
  return mono.size();
}

// Counts the values of runs at full scale; a single one is only the peak of a file that was made as loud as it can be.
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
  static constexpr float full_scale = 0.9999F;  // 16 bits end at 0.99997
  static constexpr int64_t shortest = 3;
  std::vector<int64_t> runs_;  // of each channel
  int64_t count_ = 0;
};

// Reads on from `frames.begin` to `frames.end` or the file's end; returns how many frames there were.
sf_count_t read_frames(OpenFile& file, const Path& path, Frames frames, Resampler& resampler, ClipCount& clipped) {
  const sf_count_t channels = file.info.channels, block = std::max<sf_count_t>(1, block_values / channels);
  std::vector<float> interleaved(block * channels), mono(block);
  for (sf_count_t at = frames.begin;;) {
    const sf_count_t got = sf_readf_float(file.handle.get(), interleaved.data(), std::min(block, frames.end - at));
    if (got <= 0) return at - frames.begin;
    const std::span mixed(mono.data(), static_cast<size_t>(got));
    if (const size_t good = mix(interleaved, channels, mixed); good < mixed.size())
      fail("{}: the sample at {:.6f} s is not a finite number: repair the file or leave it out", path.string(),
           static_cast<double>(at + static_cast<sf_count_t>(good)) / file.info.samplerate);
    clipped.add(std::span(interleaved).first(static_cast<size_t>(got * channels)));
    resampler.add(mixed);
    at += got;
  }
}

}  // namespace

Audio load_audio(const Path& path, Segment segment) {
  OpenFile file = open_audio(path);
  const Frames frames = frames_of(segment, file.info, path);
  const double rate = file.info.samplerate;
  Audio audio;
  if (frames.end != unknown_length)  // a header may promise anything: half an hour is taken on trust
    audio.samples.reserve(static_cast<size_t>(
        std::min(static_cast<double>(frames.end - frames.begin) / rate + 0.01, 1800.) * sample_rate));
  go_to(file, path, frames.begin);
  Resampler resampler(file.info.samplerate, path, audio.samples);
  ClipCount clipped(static_cast<size_t>(file.info.channels));
  const sf_count_t read = read_frames(file, path, frames, resampler, clipped);
  if (frames.end != unknown_length && read < frames.end - frames.begin)
    fail("{}: cut off or damaged, it ends at {:.6f} s of {:.6f}: copy the file again", path.string(),
         static_cast<double>(frames.begin + read) / rate, static_cast<double>(frames.end) / rate);
  if (read == 0) fail("{}: the file holds no samples from {} s on: leave it out", path.string(), segment.start);
  resampler.finish();
  audio.seconds = static_cast<double>(read) / rate;
  audio.rate = file.info.samplerate;
  audio.channels = file.info.channels;
  audio.clipped = clipped.count();
  return audio;
}

double audio_seconds(const Path& path, Segment segment) {
  const OpenFile file = open_audio(path);
  if (file.info.frames == unknown_length) return load_audio(path, segment).seconds;
  const Frames frames = frames_of(segment, file.info, path);
  return static_cast<double>(frames.end - frames.begin) / file.info.samplerate;
}

}  // namespace loralens
