// SPDX-License-Identifier: Apache-2.0
#include "audio/decoder.h"

#include <sndfile.h>

#include <algorithm>
#include <array>

#include "audio/container.h"
#include "audio/ffmpeg.h"
#include "audio/ogg_pages.h"
#include "base/error.h"

namespace loralens {
namespace {

// libsndfile's access to a file whose bytes are patched.
struct View {
  const Bytes& file;
  std::vector<BytePatch> patches;
  sf_count_t at = 0;

  sf_count_t size() const { return static_cast<sf_count_t>(file.size()); }

  static sf_count_t get_length(void* self) { return static_cast<View*>(self)->size(); }
  static sf_count_t tell(void* self) { return static_cast<View*>(self)->at; }
  static sf_count_t seek(sf_count_t offset, int whence, void* self) {
    auto& view = *static_cast<View*>(self);
    const sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? view.at : view.size();
    sf_count_t to = 0;
    if (__builtin_add_overflow(from, offset, &to)) to = offset < 0 ? 0 : view.size();
    return view.at = std::clamp<sf_count_t>(to, 0, view.size());
  }
  static sf_count_t read(void* bytes, sf_count_t count, void* self) {
    auto& view = *static_cast<View*>(self);
    if (count <= 0) return 0;
    sf_count_t got = 0;
    try {
      got = static_cast<sf_count_t>(view.file.read(static_cast<uint64_t>(view.at), bytes, count));
    } catch (const Error&) {  // no exception may pass through C code: the error shows as a file that ends early
      return 0;
    }
    for (const BytePatch& patch : view.patches)
      for (size_t i = 0; i < patch.bytes.size(); ++i)
        if (const sf_count_t k = static_cast<sf_count_t>(patch.at + i) - view.at; k >= 0 && k < got)
          static_cast<char*>(bytes)[k] = patch.bytes[i];
    view.at += got;
    return got;
  }
};

// ffmpeg takes the codings of G.721, G.723 and NMS for others of equal size, and decodes noise without an error.
constexpr std::array codings = {
    SF_FORMAT_G721_32,      SF_FORMAT_G723_24, SF_FORMAT_G723_40, SF_FORMAT_NMS_ADPCM_16, SF_FORMAT_NMS_ADPCM_24,
    SF_FORMAT_NMS_ADPCM_32, SF_FORMAT_PCM_S8,  SF_FORMAT_PCM_U8,  SF_FORMAT_PCM_16,       SF_FORMAT_PCM_24,
    SF_FORMAT_PCM_32,       SF_FORMAT_FLOAT,   SF_FORMAT_DOUBLE,  SF_FORMAT_ULAW,         SF_FORMAT_ALAW,
    SF_FORMAT_GSM610,       SF_FORMAT_VORBIS,  SF_FORMAT_OPUS,    SF_FORMAT_ALAC_16,      SF_FORMAT_IMA_ADPCM,
    SF_FORMAT_MS_ADPCM,     SF_FORMAT_ALAC_20, SF_FORMAT_ALAC_24, SF_FORMAT_ALAC_32};

// A file whose container is known and whose coding libsndfile does not read.
struct RareCoding : Error {
  using Error::Error;
};

class SoundFile : public AudioDecoder {
 public:
  SoundFile(std::unique_ptr<Bytes> file, const Container& container)
      : file_(std::move(file)), view_{*file_, container.patches} {
    open();
    if (container.frames >= 0 && container.frames != info_.frames)
      fail("{}: its header promises {} frames and there are {}: {}", file_->path().string(), container.frames,
           info_.frames, how_to_convert(file_->path()));
    rate = info_.samplerate;
    channels = info_.channels;
    if (info_.frames != SF_COUNT_MAX) frames = info_.frames;  // SF_COUNT_MAX: a stream of unknown length
  }

  int64_t read(float* out, int64_t count) override {
    return std::max<int64_t>(0, sf_readf_float(handle_.get(), out, count));
  }

  // In Ogg Vorbis libsndfile seeks up to 128 frames off, so Ogg is decoded from the start.
  bool seek(int64_t frame) override {
    if ((info_.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_OGG) return false;
    if (sf_seek(handle_.get(), frame, SEEK_SET) == frame) return true;
    open();
    return false;
  }

 private:
  void open() {
    SF_VIRTUAL_IO calls{View::get_length, View::seek, View::read, nullptr, View::tell};
    view_.at = 0;
    info_ = {};
    handle_.reset();
    handle_.reset(sf_open_virtual(&calls, SFM_READ, &info_, &view_));
    const std::string path = file_->path().string();
    if (!handle_)
      throw RareCoding(fmt::format(
          "{}: not audio that can be read, its header is damaged or of a rare kind: copy the file again, or {}", path,
          how_to_convert(path)));
    if (std::find(codings.begin(), codings.end(), info_.format & SF_FORMAT_SUBMASK) == codings.end())
      throw RareCoding(fmt::format("{}: not audio that can be read, its samples are coded in a rare way: {}", path,
                                   how_to_convert(path)));
  }

  std::unique_ptr<Bytes> file_;
  View view_;
  SF_INFO info_{};
  std::unique_ptr<SNDFILE, int (*)(SNDFILE*)> handle_{nullptr, sf_close};
};

std::unique_ptr<AudioDecoder> open_kind(std::unique_ptr<Bytes> file) {
  Container container = read_container(*file);
  if (container.missing > 0)
    fail("{}: cut off, {} bytes less than its header promises: copy the file again", file->path().string(),
         container.missing);
  if (container.kind == ContainerKind::flac) return open_flac(std::move(file), container.begin);
  if (container.kind == ContainerKind::mp3) return open_mp3(std::move(file), container.begin);
  if (container.kind == ContainerKind::foreign)
    return open_by_ffmpeg(file->path(), *foreign_format(file->read(container.begin, foreign_bytes)));
  if (container.kind == ContainerKind::ogg) {
    check_ogg(*file);
    container.patches = opus_patches(*file);
  }
  const Path path = file->path();
  const auto rare = container_of_rare_coding(file->read(0, 4));
  try {
    return std::make_unique<SoundFile>(std::move(file), container);
  } catch (const RareCoding&) {
    if (!rare || !find_ffmpeg()) throw;
  }
  return open_by_ffmpeg(path, *rare);
}

}  // namespace

std::unique_ptr<AudioDecoder> open_decoder(const Path& path) {
  constexpr int lowest = 1000, highest = 768'000;  // Hz
  auto decoder = open_kind(std::make_unique<Bytes>(path));
  if (decoder->frames == 0) fail("{}: the file holds no samples: leave it out", path.string());
  if (decoder->rate < lowest || decoder->rate > highest)
    fail("{}: a sample rate of {} Hz, where {} to {} are read: correct the header or leave the file out", path.string(),
         decoder->rate, lowest, highest);
  if (decoder->channels < 1) fail("{}: the file has no channels: leave it out", path.string());
  return decoder;
}

}  // namespace loralens
