// SPDX-License-Identifier: Apache-2.0
#include "audio/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "audio/test_files.h"
#include "base/parallel.h"
#include "base/test_folder.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

using Decode = AudioFiles;

double largest_difference(const std::vector<float>& a, const std::vector<float>& b, size_t skip = 0) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (size_t i = skip; i + skip < a.size(); ++i) largest = std::max<double>(largest, std::abs(a[i] - b[i]));
  return largest;
}

// Amplitude of the component of `samples` (16 kHz) at `hertz`, independent of its phase.
double level_at(const std::vector<float>& samples, double hertz) {
  double re = 0, im = 0;
  for (size_t n = 0; n < samples.size(); ++n) {
    re += samples[n] * std::cos(2 * std::numbers::pi * hertz * static_cast<double>(n) / 16000);
    im += samples[n] * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(n) / 16000);
  }
  return 2 * std::hypot(re, im) / static_cast<double>(samples.size());
}

double root_mean_square(const std::vector<float>& samples) {
  double sum = 0;
  for (const float x : samples) sum += x * x;
  return std::sqrt(sum / static_cast<double>(samples.size()));
}

TEST_F(Decode, EveryLosslessFormatGivesBackTheSamples) {
  struct Format {
    std::string name;
    int format;
    double step;  // quantisation step
  };
  const auto expected = sine(440, 16000, 1.3);
  for (const auto& [name, format, step] : {
           Format{"8.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 0x1p-7},
           Format{"16.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 0x1p-15},
           Format{"24.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 0x1p-23},
           Format{"32.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_32, 0x1p-23},
           Format{"float.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 0},
           Format{"double.wav", SF_FORMAT_WAV | SF_FORMAT_DOUBLE, 0},
           Format{"extensible.wav", SF_FORMAT_WAVEX | SF_FORMAT_PCM_16, 0x1p-15},
           Format{"rf64.wav", SF_FORMAT_RF64 | SF_FORMAT_PCM_16, 0x1p-15},
           Format{"rifx.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16 | SF_ENDIAN_BIG, 0x1p-15},
           Format{"16.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 0x1p-15},
           Format{"24.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 0x1p-23},
           Format{"16.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 0x1p-15},
           Format{"16.au", SF_FORMAT_AU | SF_FORMAT_PCM_16, 0x1p-15},
           Format{"16.caf", SF_FORMAT_CAF | SF_FORMAT_PCM_16, 0x1p-15},
           Format{"alac.caf", SF_FORMAT_CAF | SF_FORMAT_ALAC_16, 0x1p-15},
           Format{"16.w64", SF_FORMAT_W64 | SF_FORMAT_PCM_16, 0x1p-15},
           Format{"16.sph", SF_FORMAT_NIST | SF_FORMAT_PCM_16, 0x1p-15},
       }) {
    const Audio audio = load_audio(write(name, format, 16000, 1, expected));
    EXPECT_LE(largest_difference(audio.samples, expected), step) << name;
    EXPECT_DOUBLE_EQ(audio.seconds, 1.3) << name;
  }
}

TEST_F(Decode, LossyFormatsKeepTheSound) {
  struct Format {
    std::string name;
    int format, rate;
  };
  for (const auto& [name, format, rate] : {
           Format{"vorbis.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 16000},
           Format{"opus.ogg", SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000},
           Format{"layer3.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 16000},
           Format{"layer3-44.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 44100},
       }) {
    if (!can_write(format, rate)) continue;  // this libsndfile was built without the codec
    const Audio audio = load_audio(write(name, format, rate, 1, sine(440, rate, 2)));
    EXPECT_NEAR(audio.seconds, 2, 0.1) << name;
    EXPECT_NEAR(static_cast<double>(audio.samples.size()), audio.seconds * 16000, 1) << name;
    EXPECT_NEAR(root_mean_square(audio.samples), 0.5 / std::sqrt(2), 0.02) << name;
    EXPECT_NEAR(level_at(audio.samples, 440), 0.5, 0.03) << name;
  }
}

TEST_F(Decode, MonoIsTheMeanOfTheChannels) {
  const Path stereo = write("2.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, 2, {1, 0, 0.5f, -0.5f, 0.25f, 0.75f});
  EXPECT_EQ(load_audio(stereo).samples, (std::vector<float>{0.5f, 0, 0.5f}));
  const Path eight = write("8.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, 8, sine(300, 16000, 1, 8));
  std::vector<float> expected = sine(300, 16000, 1);
  for (auto& x : expected) x *= 4.5f / 8;  // the mean of 1/8 ... 8/8
  EXPECT_LT(largest_difference(load_audio(eight).samples, expected), 1e-6);
}

TEST_F(Decode, ResamplingKeepsFrequencyLevelAndTime) {
  for (const int rate : {8000, 11025, 22050, 44100, 48000, 96000}) {
    const Path path = write("sine.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, rate, 1, sine(1000, rate, 5));
    const Audio audio = load_audio(path);
    EXPECT_NEAR(static_cast<double>(audio.samples.size()), 80000, 1) << rate;
    EXPECT_DOUBLE_EQ(audio.seconds, 5) << rate;
    std::vector<float> expected = sine(1000, 16000, 5), samples = audio.samples;
    expected.resize(79990);
    samples.resize(79990);
    EXPECT_LT(largest_difference(samples, expected, 400), 1e-4) << rate;  // without the ends, where the filter rings
  }
}

TEST_F(Decode, ResamplingRemovesWhatSixteenKilohertzCannotHold) {
  const Path path = write("high.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 48000, 1, sine(11000, 48000, 2));
  std::vector<float> samples = load_audio(path).samples;
  samples = {samples.begin() + 1000, samples.end() - 1000};
  EXPECT_LT(root_mean_square(samples), 1e-5);
}

TEST_F(Decode, SegmentEqualsTheSliceOfTheWhole) {
  const auto samples = sine(440.7, 16000, 9);
  for (const auto& [name, format] :
       {std::pair{"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16}, std::pair{"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},
        std::pair{"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
        std::pair{"a.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III}}) {
    if (!can_write(format)) continue;  // this libsndfile was built without the codec
    const Path path = write(name, format, 16000, 1, samples);
    const auto whole = load_audio(path).samples;
    const Audio part = load_audio(path, {5.25, 7.5});  // spans several decoding blocks
    EXPECT_DOUBLE_EQ(part.seconds, 2.25) << name;
    EXPECT_LT(largest_difference(part.samples, {whole.begin() + 84000, whole.begin() + 120000}), 1e-6) << name;
    EXPECT_EQ(load_audio(path, {8.5}).samples.size(), 8000u) << name;
    EXPECT_EQ(load_audio(path, {0, 9}).samples, whole) << name;
  }
}

TEST_F(Decode, SegmentOfACodecWithoutSeekingIsFoundByReadingOn) {
  const Path path = write("gsm.wav", SF_FORMAT_WAV | SF_FORMAT_GSM610, 8000, 1, sine(300, 8000, 3));
  const Audio part = load_audio(path, {1, 2});
  EXPECT_EQ(part.samples.size(), 16000u);
  EXPECT_NEAR(level_at({part.samples.begin() + 400, part.samples.end() - 400}, 300), 0.5, 0.05);
  EXPECT_NEAR(largest_difference(part.samples, sine(300, 16000, 1), 400), 0, 0.2);  // right phase
}

TEST_F(Decode, SegmentOfAnotherRateIsInSecondsOfTheFile) {
  const Path path = write("a.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 44100, 1, sine(1000, 44100, 4));
  const Audio part = load_audio(path, {1, 3});  // whole periods precede it: phase 0
  EXPECT_DOUBLE_EQ(part.seconds, 2);
  EXPECT_LT(largest_difference(part.samples, sine(1000, 16000, 2), 400), 1e-4);
}

TEST_F(Decode, SilenceAndLongClipsAreAudio) {
  const Path path = write("long.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 8000, 1, std::vector<float>(8000 * 1900));
  const Audio audio = load_audio(path);
  EXPECT_EQ(audio.seconds, 1900);
  EXPECT_NEAR(static_cast<double>(audio.samples.size()), 1900. * 16000, 1);
  EXPECT_EQ(root_mean_square(audio.samples), 0);
}

// The bytes of a WAV file (16 kHz, 16 bits) with these size fields and `data_there` bytes of samples.
std::string wav_bytes(uint32_t riff_size, uint32_t data_size, size_t data_there) {
  const auto u32 = [](uint32_t x) { return std::string(reinterpret_cast<const char*>(&x), 4); };
  return "RIFF" + u32(riff_size) + "WAVEfmt " + u32(16) + std::string("\1\0\1\0", 4) + u32(16000) + u32(32000) +
         std::string("\2\0\x10\0", 4) + "data" + u32(data_size) + std::string(data_there, '\0');
}

TEST_F(Decode, StreamedWavsOfUnknownLengthAreWhole) {
  for (const uint32_t size : {0u, 0xffffffffu, 0x7ffff000u, 0x7fffffffu, 0x80000000u}) {
    const Path path = write_bytes("stream.wav", wav_bytes(size, size, 32000));
    EXPECT_EQ(load_audio(path).samples.size(), 16000u) << size;
    EXPECT_EQ(load_audio(path, {0.25, 0.5}).samples.size(), 4000u) << size;
  }
  std::string unclosed = wav_bytes(36, 0, 32000);
  for (size_t n = 0; n < 16000; ++n) unclosed[44 + 2 * n + 1] = static_cast<char>(n % 100);  // high bytes
  const auto samples = load_audio(write_bytes("unclosed.wav", unclosed)).samples;
  ASSERT_EQ(samples.size(), 16000u);
  for (size_t n = 0; n < 16000; ++n) ASSERT_EQ(samples[n], static_cast<float>(n % 100) / 128) << n;
  // A WAV file that is really empty: the RIFF size fits the file, and the next chunk holds no audio.
  const std::string empty = wav_bytes(36 + 12, 0, 0) + std::string("LIST\4\0\0\0abcd", 12);
  EXPECT_THAT(message(write_bytes("empty.wav", empty)), testing::HasSubstr("the file holds no samples"));
}

TEST_F(Decode, FilesCutOffAreRefused) {
  testing::internal::CaptureStderr();
  const auto samples = sine(440, 16000, 3);
  struct Format {
    std::string name;
    int format;
  };
  for (const auto& [name, format] : {
           Format{"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16},
           Format{"rf64.wav", SF_FORMAT_RF64 | SF_FORMAT_PCM_16},
           Format{"rifx.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16 | SF_ENDIAN_BIG},
           Format{"a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16},
           Format{"a.au", SF_FORMAT_AU | SF_FORMAT_PCM_16},
           Format{"little.au", SF_FORMAT_AU | SF_FORMAT_PCM_16 | SF_ENDIAN_LITTLE},
           Format{"a.caf", SF_FORMAT_CAF | SF_FORMAT_PCM_16},
           Format{"alac.caf", SF_FORMAT_CAF | SF_FORMAT_ALAC_16},
           Format{"a.w64", SF_FORMAT_W64 | SF_FORMAT_PCM_16},
           Format{"a.sph", SF_FORMAT_NIST | SF_FORMAT_PCM_16},
           Format{"mulaw.sph", SF_FORMAT_NIST | SF_FORMAT_ULAW},
           Format{"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},
           Format{"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
           Format{"a.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS},
           Format{"a.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III},
       }) {
    if (!can_write(format)) continue;  // this libsndfile was built without the codec
    const std::string whole = read_file(write(name, format, 16000, 1, samples));
    for (const double share : {0.4, 0.7, 0.98}) {
      const auto kept = static_cast<size_t>(share * static_cast<double>(whole.size()));
      const Path path = write_bytes(name, whole.substr(0, kept));
      EXPECT_THAT(message(path), testing::StartsWith(path.string() + ": cut off")) << share;
      EXPECT_THAT(message(path), testing::HasSubstr("copy the file again"));
    }
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(message(write_bytes("b.wav", wav_bytes(32036, 32000, 31998))),
            (folder_ / "b.wav").string() + ": cut off, 2 bytes less than its header promises: copy the file again");
}

TEST_F(Decode, WhatIsNoAudioSaysWhy) {
  const int wav = SF_FORMAT_WAV | SF_FORMAT_FLOAT;
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  std::vector<float> broken(16000);
  broken[8000] = nan;
  struct Case {
    Path path;
    std::string message;  // after the path
  };
  const std::string not_audio =
      ": not audio that can be read (WAV, FLAC, Ogg, MP3, AIFF, AU, CAF, W64, SPHERE): leave it out, or convert it "
      "with ffmpeg -i '";
  const Path none = folder_ / "none.wav";
  for (const auto& [path, expected] : {
           Case{none, ": there is no such file: check the path"},
           Case{folder_, " is a folder, not an audio file: name the files in it"},
           Case{"/dev/null", " is no regular file: save the audio to a file first"},
           Case{write_bytes("empty.wav", ""), ": the file is empty: copy it again or leave it out"},
           Case{write_bytes("text.wav", "Dear reader, this is a letter."), not_audio},
           Case{write_bytes("short.wav", "RIFF"), not_audio},
           Case{write_bytes("page.ogg", std::string("OggS\0\2", 6)),
                ": cut off within the Ogg page at byte 0: copy the file again"},
           Case{write("zero.wav", wav, 16000, 1, {}), ": the file holds no samples: leave it out"},
           Case{
               write("nan.wav", wav, 16000, 1, broken),
               ": the sample at 0.500000 s is not a finite number near full scale, 1: repair the file or leave it out"},
           Case{
               write("inf.wav", wav, 48000, 2, {0, 0, inf, 0}),
               ": the sample at 0.000021 s is not a finite number near full scale, 1: repair the file or leave it out"},
       })
    EXPECT_THAT(message(path), testing::StartsWith(path.string() + expected));
}

TEST_F(Decode, SegmentsOutsideTheFileSayWhy) {
  const Path path = write("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, sine(440, 16000, 2));
  struct Case {
    Segment segment;
    std::string message;
  };
  const std::string outside = " is not inside the file, which lasts 2.000000 s: correct start and end";
  for (const auto& [segment, expected] : {
           Case{{2}, ": the segment from 2 s to its end" + outside},
           Case{{1, 2.5}, ": the segment from 1 s to 2.5 s" + outside},
           Case{{5, 6}, ": the segment from 5 s to 6 s" + outside},
           Case{{1e300, -1}, ": the segment from 1e+300 s to its end" + outside},
           Case{{1, 1}, ": the segment ends at 1 s, not after its start at 1 s: correct start and end"},
           Case{{1, 0.5}, ": the segment ends at 0.5 s, not after its start at 1 s: correct start and end"},
           Case{{-1, 1}, ": a segment from -1 to 1 s makes no sense: start must be 0 or more"},
           Case{{NAN, 1}, ": a segment from nan to 1 s makes no sense: start must be 0 or more"},
           Case{{1, 1.00001}, ": the segment from 1 to 1.00001 s is shorter than one sample: correct start and end"},
       })
    EXPECT_EQ(message(path, segment), path.string() + expected);
}

TEST_F(Decode, DamagedFilesAreErrorsOrAudioButPrintNothing) {
  testing::internal::CaptureStderr();
  struct Format {
    std::string name;
    int format;
    size_t first;  // first byte to damage: libsndfile leaks memory on damaged Vorbis headers
  };
  for (const auto& [name, format, first] : {
           Format{"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 0},
           Format{"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 5000},
           Format{"a.wav", SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, 0},
       }) {
    const std::string whole = read_file(write(name, format, 16000, 1, sine(440, 16000, 9)));
    ASSERT_GT(whole.size(), first + 1000);
    for (size_t seed = 1; seed < 12; ++seed) {
      std::string bytes = whole;
      for (size_t i = first + seed * 13; i < bytes.size(); i += 37 + 101 * seed) bytes[i] = static_cast<char>(i * seed);
      message(write_bytes(name, bytes));
      message(write_bytes(name, bytes), {0.5, 1});
    }
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(Decode, LengthWithoutDecodingIsTheLengthThatDecodingFinds) {
  for (const auto& [name, format] :
       {std::pair{"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16}, std::pair{"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},
        std::pair{"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS}}) {
    const Path path = write(name, format, 44100, 1, sine(440, 44100, 2.5));
    EXPECT_DOUBLE_EQ(audio_seconds(path), 2.5) << name;
    EXPECT_DOUBLE_EQ(audio_seconds(path, {0.5, 1.5}), 1) << name;
    EXPECT_DOUBLE_EQ(audio_seconds(path, {0.3, 1.7}), load_audio(path, {0.3, 1.7}).seconds) << name;
    EXPECT_THROW(audio_seconds(path, {1, 3}), Error) << name;
  }
  EXPECT_THROW(audio_seconds(folder_ / "none.wav"), Error);
}

TEST_F(Decode, ManyThreadsReadAtOnce) {
  const auto samples = sine(440, 44100, 3);
  const std::vector<Path> paths{write("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 44100, 1, samples),
                                write("a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 44100, 1, samples),
                                write_bytes("bad.wav", "this is no audio")};
  const auto expected = load_audio(paths[0]).samples;
  std::vector<std::string> errors(60);
  std::vector<Audio> results(60);
  parallel_for(results.size(), 4, [&](size_t i) {
    try {
      results[i] = load_audio(paths[i % 3]);
    } catch (const Error& error) {
      errors[i] = error.what();
    }
  });
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(errors[i], i % 3 == 2 ? message(paths[2]) : "");
    EXPECT_EQ(results[i].samples, i % 3 == 2 ? std::vector<float>() : expected);
  }
}

TEST_F(Decode, RealClips) {
  const Path shared = shared_folder() / "audio";
  if (!fs::exists(shared)) GTEST_SKIP() << "needs ../shared/audio";
  const auto mono = load_audio(shared / "ravdess-48k-mono.wav"), stereo = load_audio(shared / "ravdess-48k-stereo.wav"),
             emodb = load_audio(shared / "emodb-16k-mono.wav");
  EXPECT_EQ(emodb.samples.size(), (fs::file_size(shared / "emodb-16k-mono.wav") - 44) / 2);
  for (const auto& audio : {mono, stereo, emodb}) {
    EXPECT_NEAR(static_cast<double>(audio.samples.size()), audio.seconds * 16000, 1);
    EXPECT_GT(audio.seconds, 1);
    EXPECT_GT(root_mean_square(audio.samples), 1e-3);
    for (const float x : audio.samples) ASSERT_LE(std::abs(x), 1.1);
  }
}

}  // namespace
}  // namespace loralens
