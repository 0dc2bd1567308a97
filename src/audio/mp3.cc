// SPDX-License-Identifier: Apache-2.0
// MP3 decoder (libmpg123). libsndfile is not used because it estimates the length of a stream without a Xing header
// from its first frames and lets libmpg123 write to standard error.
#include <mpg123.h>

#include <algorithm>

#include "audio/container.h"
#include "audio/decoder.h"
#include "audio/mp3_frames.h"
#include "base/error.h"

namespace loralens {
namespace {

class Mp3Decoder : public AudioDecoder {
 public:
  Mp3Decoder(std::unique_ptr<Bytes> file, uint64_t begin) : file_(std::move(file)), frames_(walk_mp3(*file_, begin)) {
    open();
    if (mpg123_scan(decoder_.get()) != MPG123_OK) fail_damaged();
    const off_t length = mpg123_length(decoder_.get());
    if (length < 0) fail_damaged();
    frames = length;
    open();
  }

  int64_t read(float* out, int64_t count) override {
    const size_t wanted = count * channels * sizeof(float);
    auto* bytes = reinterpret_cast<unsigned char*>(out);
    size_t done = 0;
    while (done < wanted) {
      size_t got = 0;
      const int status = mpg123_read(decoder_.get(), bytes + done, wanted - done, &got);
      done += got;
      if (status == MPG123_DONE) break;
      if (status != MPG123_OK) fail_damaged();
    }
    return static_cast<int64_t>(done / sizeof(float)) / channels;
  }

  // Not supported: an MP3 frame depends on those before it.
  bool seek(int64_t frame) override { return false; }

 private:
  [[noreturn]] void fail_damaged() const {
    fail("{}: not audio that can be read, its MP3 frames are damaged: copy the file again, or {}",
         file_->path().string(), how_to_convert(file_->path()));
  }

  void open() {
    int error = MPG123_OK;
    decoder_.reset(mpg123_new(nullptr, &error));
    if (!decoder_) throw std::bad_alloc();
    mpg123_handle* decoder = decoder_.get();
    at_ = 0;
    constexpr long flags = MPG123_QUIET | MPG123_FORCE_FLOAT | MPG123_GAPLESS | MPG123_NO_FRANKENSTEIN;
    mpg123_param(decoder, MPG123_ADD_FLAGS, flags, 0);
    mpg123_param(decoder, MPG123_REMOVE_FLAGS, MPG123_AUTO_RESAMPLE, 0);
    long hertz = 0;
    int encoding = 0;
    if (mpg123_replace_reader_handle(decoder, read_bytes, seek_bytes, nullptr) != MPG123_OK ||
        mpg123_open_handle(decoder, this) != MPG123_OK ||
        mpg123_getformat(decoder, &hertz, &channels, &encoding) != MPG123_OK || encoding != MPG123_ENC_FLOAT_32)
      fail_damaged();
    rate = static_cast<int>(hertz);
  }

  static ssize_t read_bytes(void* self, void* out, size_t count) {
    auto& mp3 = *static_cast<Mp3Decoder*>(self);
    const uint64_t begin = mp3.frames_.begin + mp3.at_, left = mp3.frames_.end - std::min(mp3.frames_.end, begin);
    try {
      const size_t got = mp3.file_->read(begin, out, std::min<uint64_t>(count, left));
      mp3.at_ += got;
      return static_cast<ssize_t>(got);
    } catch (const Error&) {  // no exception may pass through C code
      return -1;
    }
  }
  static off_t seek_bytes(void* self, off_t offset, int whence) {
    auto& mp3 = *static_cast<Mp3Decoder*>(self);
    const auto size = static_cast<off_t>(mp3.frames_.end - mp3.frames_.begin);
    const off_t to = offset + (whence == SEEK_SET ? 0 : whence == SEEK_CUR ? static_cast<off_t>(mp3.at_) : size);
    if (to < 0) return -1;
    mp3.at_ = static_cast<uint64_t>(to);
    return to;
  }

  std::unique_ptr<Bytes> file_;
  Mp3Frames frames_;
  uint64_t at_ = 0;  // read position, relative to the first frame
  std::unique_ptr<mpg123_handle, void (*)(mpg123_handle*)> decoder_{nullptr, mpg123_delete};
};

}  // namespace

std::unique_ptr<AudioDecoder> open_mp3(std::unique_ptr<Bytes> file, uint64_t begin) {
  return std::make_unique<Mp3Decoder>(std::move(file), begin);
}

}  // namespace loralens
