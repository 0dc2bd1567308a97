// SPDX-License-Identifier: Apache-2.0
// For tests: writes audio files of any format (by libsndfile or as bytes) and returns the error of reading them.
#pragma once

#include <gtest/gtest.h>
#include <sndfile.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <numbers>
#include <string>
#include <vector>

#include "audio/decode.h"
#include "base/error.h"

namespace loralens {

class AudioFiles : public testing::Test {
 protected:
  AudioFiles() {
    std::filesystem::create_directories(folder_);
    ::setenv("PATH", "", 1);  // the program ffmpeg is not found, installed or not
  }
  ~AudioFiles() override {
    ::setenv("PATH", programs_.c_str(), 1);
    std::filesystem::remove_all(folder_);
  }

  std::string programs_ = std::getenv("PATH") ? std::getenv("PATH") : "";
  Path folder_ = Path(testing::TempDir()) / fmt::format("loralens-audio-{}-{}", ::getpid(),
                                                        testing::UnitTest::GetInstance()->current_test_info()->name());

  // Writes interleaved samples (frames x channels) to a file in libsndfile's `format`.
  Path write(const std::string& name, int format, int rate, int channels, const std::vector<float>& samples) {
    const Path path = folder_ / name;
    SF_INFO info{};
    info.samplerate = rate;
    info.channels = channels;
    info.format = format;
    SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
    if (!file) throw Error(path.string() + ": " + sf_strerror(nullptr));
    sf_writef_float(file, samples.data(), static_cast<sf_count_t>(samples.size()) / channels);
    sf_close(file);
    return path;
  }

  Path write_bytes(const std::string& name, std::string_view bytes) {
    write_file(folder_ / name, bytes);
    return folder_ / name;
  }

  // The error message of decoding a file; "" if there is none.
  std::string message(const Path& path, Segment segment = {}) {
    try {
      load_audio(path, segment);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

// A sine: amplitude 0.5 if mono, else 0.5 (1 + c) / channels in channel c, interleaved.
inline std::vector<float> sine(double hertz, int rate, double seconds, int channels = 1) {
  std::vector<float> samples;
  for (int n = 0; n < std::lround(seconds * rate); ++n)
    for (int c = 0; c < channels; ++c)
      samples.push_back(
          static_cast<float>((1 + c) * 0.5 / channels * std::sin(2 * std::numbers::pi * hertz * n / rate)));
  return samples;
}

// Whether this libsndfile was built with the codec.
inline bool can_write(int format, int rate = 16000) {
  SF_INFO info{0, rate, 1, format, 0, 0};
  return sf_format_check(&info);
}

}  // namespace loralens
