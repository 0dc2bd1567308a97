// SPDX-License-Identifier: Apache-2.0
// FLAC decoder (libFLAC). libsndfile is not used because it does not report damaged frames and wrong MD5 sums.
#include <FLAC/stream_decoder.h>

#include <algorithm>
#include <vector>

#include "audio/container.h"
#include "audio/decoder.h"
#include "base/error.h"

namespace loralens {
namespace {

class FlacDecoder : public AudioDecoder {
 public:
  FlacDecoder(std::unique_ptr<Bytes> file, uint64_t begin)
      : file_(std::move(file)), begin_(begin), end_(file_->size()) {
    constexpr uint64_t tag = 128;  // ID3v1
    if (end_ > tag && file_->read(end_ - tag, 3) == "TAG") end_ -= tag;
    open();
  }

  int64_t read(float* out, int64_t count) override {
    int64_t done = 0;
    while (done < count && fill()) {
      const int64_t ready = (std::ssize(samples_) - next_) / channels, taken = std::min(ready, count - done);
      std::copy_n(samples_.begin() + next_, taken * channels, out + done * channels);
      next_ += taken * channels;
      done += taken;
    }
    return done;
  }

  bool seek(int64_t frame) override {
    if (frames < 0) return false;
    samples_.clear();
    next_ = 0;
    sought_ = true;
    if (!FLAC__stream_decoder_seek_absolute(decoder_.get(), static_cast<FLAC__uint64>(frame))) fail_damaged();
    return true;
  }

 private:
  [[noreturn]] void fail_damaged() const {
    fail("{}: cut off or damaged, not all of its FLAC frames are whole: copy the file again", file_->path().string());
  }

  void open() {
    decoder_.reset(FLAC__stream_decoder_new());
    if (!decoder_) throw std::bad_alloc();
    FLAC__stream_decoder_set_md5_checking(decoder_.get(), true);
    const auto status = FLAC__stream_decoder_init_stream(decoder_.get(), read_bytes, seek_bytes, tell, length, at_end,
                                                         write, metadata, error, this);
    if (status != FLAC__STREAM_DECODER_INIT_STATUS_OK ||
        !FLAC__stream_decoder_process_until_end_of_metadata(decoder_.get()) || rate == 0 || damaged_)
      fail("{}: not audio that can be read, its FLAC header is damaged: copy the file again", file_->path().string());
  }

  // Decodes the next FLAC frame if no decoded samples are left. False at the end of the stream.
  bool fill() {
    while (next_ == std::ssize(samples_)) {
      samples_.clear();
      next_ = 0;
      if (ended_) return false;
      if (!FLAC__stream_decoder_process_single(decoder_.get()) || damaged_) fail_damaged();
      if (FLAC__stream_decoder_get_state(decoder_.get()) == FLAC__STREAM_DECODER_END_OF_STREAM) end();
    }
    return true;
  }

  void end() {
    ended_ = true;
    if (frames < 0 && whole_until_ + begin_ != end_) fail_damaged();
    if (frames >= 0 && !sought_ && decoded_ < frames) return;  // the caller compares the length with the header
    if (!FLAC__stream_decoder_finish(decoder_.get()) && !sought_)
      fail("{}: damaged, its samples are not those of the MD5 sum in its header: copy the file again",
           file_->path().string());
  }

  static FlacDecoder& of(void* self) { return *static_cast<FlacDecoder*>(self); }

  static FLAC__StreamDecoderReadStatus read_bytes(const FLAC__StreamDecoder*, FLAC__byte* out, size_t* count,
                                                  void* self) {
    auto& flac = of(self);
    const uint64_t left = flac.end_ - std::min(flac.end_, flac.begin_ + flac.at_);
    try {
      *count = flac.file_->read(flac.begin_ + flac.at_, out, std::min<uint64_t>(*count, left));
    } catch (const Error&) {  // no exception may pass through C code
      return FLAC__STREAM_DECODER_READ_STATUS_ABORT;
    }
    flac.at_ += *count;
    return *count ? FLAC__STREAM_DECODER_READ_STATUS_CONTINUE : FLAC__STREAM_DECODER_READ_STATUS_END_OF_STREAM;
  }
  static FLAC__StreamDecoderSeekStatus seek_bytes(const FLAC__StreamDecoder*, FLAC__uint64 to, void* self) {
    of(self).at_ = to;
    return FLAC__STREAM_DECODER_SEEK_STATUS_OK;
  }
  static FLAC__StreamDecoderTellStatus tell(const FLAC__StreamDecoder*, FLAC__uint64* at, void* self) {
    *at = of(self).at_;
    return FLAC__STREAM_DECODER_TELL_STATUS_OK;
  }
  static FLAC__StreamDecoderLengthStatus length(const FLAC__StreamDecoder*, FLAC__uint64* size, void* self) {
    *size = of(self).end_ - of(self).begin_;
    return FLAC__STREAM_DECODER_LENGTH_STATUS_OK;
  }
  static FLAC__bool at_end(const FLAC__StreamDecoder*, void* self) {
    return of(self).begin_ + of(self).at_ >= of(self).end_;
  }
  static void error(const FLAC__StreamDecoder*, FLAC__StreamDecoderErrorStatus, void* self) {
    of(self).damaged_ = true;
  }

  static void metadata(const FLAC__StreamDecoder*, const FLAC__StreamMetadata* block, void* self) {
    if (block->type != FLAC__METADATA_TYPE_STREAMINFO) return;
    auto& flac = of(self);
    const auto& info = block->data.stream_info;
    flac.rate = static_cast<int>(info.sample_rate);
    flac.channels = static_cast<int>(info.channels);
    flac.bits_ = info.bits_per_sample;
    if (info.total_samples > 0) flac.frames = static_cast<int64_t>(info.total_samples);
  }

  static FLAC__StreamDecoderWriteStatus write(const FLAC__StreamDecoder* decoder, const FLAC__Frame* frame,
                                              const FLAC__int32* const planes[], void* self) {
    auto& flac = of(self);
    const auto& header = frame->header;
    if (static_cast<int>(header.channels) != flac.channels || header.bits_per_sample != flac.bits_ ||
        static_cast<int>(header.sample_rate) != flac.rate) {
      flac.damaged_ = true;
      return FLAC__STREAM_DECODER_WRITE_STATUS_ABORT;
    }
    const float step = 1 / static_cast<float>(int64_t{1} << (flac.bits_ - 1));
    try {
      const size_t begin = flac.samples_.size(), channels = header.channels;
      flac.samples_.resize(begin + header.blocksize * channels);
      for (size_t c = 0; c < channels; ++c)
        for (size_t i = 0; i < header.blocksize; ++i)
          flac.samples_[begin + i * channels + c] = static_cast<float>(planes[c][i]) * step;
    } catch (const std::bad_alloc&) {
      return FLAC__STREAM_DECODER_WRITE_STATUS_ABORT;
    }
    flac.decoded_ += header.blocksize;
    FLAC__uint64 position = 0;
    if (FLAC__stream_decoder_get_decode_position(decoder, &position)) flac.whole_until_ = position;
    return FLAC__STREAM_DECODER_WRITE_STATUS_CONTINUE;
  }

  std::unique_ptr<Bytes> file_;
  uint64_t begin_, end_, at_ = 0;  // at_: read position, relative to begin_
  uint64_t whole_until_ = 0;       // end of the last decoded frame, relative to begin_
  uint32_t bits_ = 0;
  int64_t decoded_ = 0;
  bool damaged_ = false, ended_ = false, sought_ = false;
  std::vector<float> samples_;  // decoded, interleaved; those before next_ have been returned
  int64_t next_ = 0;
  std::unique_ptr<FLAC__StreamDecoder, void (*)(FLAC__StreamDecoder*)> decoder_{nullptr, FLAC__stream_decoder_delete};
};

}  // namespace

std::unique_ptr<AudioDecoder> open_flac(std::unique_ptr<Bytes> file, uint64_t begin) {
  return std::make_unique<FlacDecoder>(std::move(file), begin);
}

}  // namespace loralens
