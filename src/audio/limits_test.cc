// SPDX-License-Identifier: Apache-2.0
// Robustness of decoding: files that are not audio, absurd headers and clips without a sample are refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "audio/decode.h"
#include "audio/test_files.h"

namespace loralens {
namespace {

using testing::HasSubstr;
using Limits = AudioFiles;

constexpr int wav = SF_FORMAT_WAV | SF_FORMAT_FLOAT;

TEST_F(Limits, AClipWithoutASampleAtSixteenKilohertzIsRefused) {
  for (const int rate : {22050, 44100, 48000, 192000, 384000, 768000})
    for (int64_t frames = 1; frames <= 60; ++frames) {
      const Path path = write("a.wav", wav, rate, 1, std::vector<float>(static_cast<size_t>(frames), 0.5f));
      const auto made = static_cast<int64_t>(std::floor(static_cast<double>(frames) * 16000 / rate + 0.5));
      if (made == 0) {
        EXPECT_THAT(message(path), HasSubstr(fmt::format("at {} Hz", rate))) << frames;
        EXPECT_THAT(message(path), HasSubstr("less than one at 16 kHz: leave the clip out"));
        EXPECT_THROW(audio_seconds(path), Error) << frames;
      } else {
        EXPECT_EQ(std::ssize(load_audio(path).samples), made) << rate << " " << frames;
        EXPECT_DOUBLE_EQ(audio_seconds(path), static_cast<double>(frames) / rate);
      }
    }
  const Path path = write("b.wav", wav, 48000, 1, sine(440, 48000, 1));
  EXPECT_THAT(message(path, {0.1, 0.10002}), HasSubstr("1 sample at 48000 Hz is less than one at 16 kHz"));
  EXPECT_THROW(audio_seconds(path, {0.1, 0.10002}), Error);
  EXPECT_EQ(load_audio(path, {0.1, 0.1001}).samples.size(), 2u);
}

TEST_F(Limits, AbsurdRatesAreRefused) {
  for (const int rate : {1, 999, 768001, 2000000000}) {
    const Path path = write("a.wav", wav, rate, 1, sine(440, 16000, 1));
    EXPECT_THAT(message(path), HasSubstr(fmt::format("a sample rate of {} Hz, where 1000 to 768000 are read", rate)));
    EXPECT_THROW(audio_seconds(path), Error);
  }
  for (const int rate : {1000, 768000})
    EXPECT_EQ(message(write("a.wav", wav, rate, 1, sine(100, 16000, 1))), "") << rate;
}

TEST_F(Limits, ManyChannelsAreMixed) {
  const Path path = write("a.wav", wav, 16000, 1024, std::vector<float>(1024 * 500, 0.25f));
  EXPECT_EQ(load_audio(path).samples, std::vector<float>(500, 0.25f));
}

TEST_F(Limits, SamplesBeyondAllSoundAreRefused) {
  for (const float value : {1e10f, -1e30f, 3e38f}) {
    auto samples = sine(440, 16000, 1);
    samples[4000] = value;
    EXPECT_THAT(message(write("a.wav", wav, 16000, 1, samples)),
                HasSubstr("the sample at 0.250000 s is not a finite number"));
  }
  EXPECT_EQ(message(write("a.wav", wav, 16000, 1, {32767, -32768, 1, 0})), "");  // unscaled 16 bits
}

TEST_F(Limits, TheBytesSayWhatAFileIsAndNotItsName) {
  const std::string text = "404 Not Found: no such page\n", page = text + text + text + text + text + text;
  for (const char* name :
       {"a.vox", "a.raw", "a.gsm", "a.ul", "a.al", "a.snd", "a.au", "a.pcm", "a.wav", "a.mp3", "a.flac"}) {
    EXPECT_THAT(message(write_bytes(name, page)), HasSubstr("not audio that can be read")) << name;
    EXPECT_THAT(message(write_bytes(name, std::string(4000, '\0'))), HasSubstr("not audio that can be read")) << name;
  }
  const auto samples = sine(440, 16000, 1);
  const std::string bytes = read_file(write("b.wav", wav, 16000, 1, samples));
  EXPECT_EQ(load_audio(write_bytes("b.vox", bytes)).samples, samples);
  for (const auto& [bytes, kind] : {std::pair{std::string("\0\0\0 ftypM4A ", 12), "MPEG-4"},
                                    std::pair{std::string("\x1a\x45\xdf\xa3") + text, "WebM"},
                                    std::pair{std::string("\xff\xf1\x50\x80") + text, "AAC"}}) {
    const Path path = write_bytes("c.wav", bytes);
    EXPECT_THAT(message(path), HasSubstr(kind));
    EXPECT_THAT(message(path), HasSubstr("ffmpeg -i '" + path.string() + "'"));
  }
}

TEST_F(Limits, RareContainersAndCodingsAreRefused) {
  for (const int format :
       {SF_FORMAT_VOC | SF_FORMAT_PCM_16, SF_FORMAT_PAF | SF_FORMAT_PCM_16, SF_FORMAT_IRCAM | SF_FORMAT_PCM_16,
        SF_FORMAT_SVX | SF_FORMAT_PCM_16, SF_FORMAT_MAT4 | SF_FORMAT_PCM_16, SF_FORMAT_MAT5 | SF_FORMAT_PCM_16,
        SF_FORMAT_PVF | SF_FORMAT_PCM_16, SF_FORMAT_HTK | SF_FORMAT_PCM_16, SF_FORMAT_SDS | SF_FORMAT_PCM_16,
        SF_FORMAT_AVR | SF_FORMAT_PCM_16, SF_FORMAT_WVE | SF_FORMAT_ALAW, SF_FORMAT_MPC2K | SF_FORMAT_PCM_16,
        SF_FORMAT_XI | SF_FORMAT_DPCM_16}) {
    const int rate = format == (SF_FORMAT_WVE | SF_FORMAT_ALAW) ? 8000 : 16000;
    const Path path = write("a", format, rate, 1, sine(440, rate, 1));
    EXPECT_THAT(message(path), HasSubstr("not audio that can be read")) << std::hex << format;
  }
}

TEST_F(Limits, HeadersThatLieAreRefused) {
  const auto put = [](std::string bytes, size_t at, uint64_t value, int count, bool big_endian = false) {
    for (int i = 0; i < count; ++i)
      bytes[at + static_cast<size_t>(i)] = static_cast<char>(value >> 8 * (big_endian ? count - 1 - i : i));
    return bytes;
  };
  const auto samples = sine(440, 16000, 1);
  const std::string riff = read_file(write("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, samples));
  EXPECT_THAT(message(write_bytes("a.wav", put(riff, 32, 1, 2))),
              HasSubstr("its header contradicts itself"));  // block align
  EXPECT_THAT(message(write_bytes("a.wav", put(riff, 32, 4, 2))), HasSubstr("its header contradicts itself"));
  const std::string au = read_file(write("a.au", SF_FORMAT_AU | SF_FORMAT_PCM_16, 16000, 1, samples));
  EXPECT_THAT(message(write_bytes("a.au", put(au, 4, 1u << 31, 4, true))),
              HasSubstr("cut off"));  // offset of the samples
  EXPECT_EQ(load_audio(write_bytes("a.au", put(au, 8, 0xffffffff, 4, true))).seconds, 1);  // size unknown
  const std::string aiff = read_file(write("a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 16000, 1, samples));
  EXPECT_THAT(message(write_bytes("a.aiff", put(aiff, aiff.find("COMM") + 10, 16001, 4, true))),
              HasSubstr("its header promises 16001 frames and there are 16000"));
  const std::string caf = read_file(write("a.caf", SF_FORMAT_CAF | SF_FORMAT_PCM_16, 16000, 1, samples));
  EXPECT_THAT(message(write_bytes("a.caf", put(caf, caf.find("data") + 4, 1ull << 62, 8, true))), HasSubstr("cut off"));
  const std::string sphere = read_file(write("a.sph", SF_FORMAT_NIST | SF_FORMAT_PCM_16, 16000, 1, samples));
  std::string more = sphere;
  more.replace(more.find("sample_count -i 16000"), 21, "sample_count -i 16009");
  EXPECT_THAT(message(write_bytes("a.sph", more)), HasSubstr("cut off, 18 bytes"));
  std::string fewer = sphere;
  fewer.replace(fewer.find("sample_count -i 16000"), 21, "sample_count -i 15000");
  EXPECT_THAT(message(write_bytes("a.sph", fewer)), HasSubstr("its header promises 15000 frames and there are 16000"));
  const std::string flac = read_file(write("a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000, 1, samples));
  EXPECT_THAT(message(write_bytes("a.flac", put(flac, 22, 0xffffffff, 4))), HasSubstr("cut off"));
}

TEST_F(Limits, AStreamGivesTheSamplesPieceByPiece) {
  for (const int rate : {16000, 44100}) {
    const Path path = write("a.wav", wav, rate, 2, sine(440, rate, 3, 2));
    const auto whole = load_audio(path).samples;
    for (const size_t piece : {1000, 4096, 48000, 1000000}) {
      AudioStream stream(path);
      std::vector<float> all;
      for (bool more = true; more;) {
        const auto samples = stream.read(piece);
        all.insert(all.end(), samples.begin(), samples.end());
        more = samples.size() == piece;
      }
      EXPECT_EQ(all, whole) << piece;
      EXPECT_TRUE(stream.read(piece).empty());
      EXPECT_EQ(stream.facts().seconds, 3);
      EXPECT_EQ(stream.facts().channels, 2);
    }
  }
}

}  // namespace
}  // namespace loralens
