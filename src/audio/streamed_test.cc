// SPDX-License-Identifier: Apache-2.0
// Files whose header does not tell their length, or does not tell the truth, and codings that only libsndfile decodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ogg/ogg.h>

#include "audio/bytes.h"
#include "audio/decode.h"
#include "audio/test_files.h"

namespace loralens {
namespace {

using testing::HasSubstr;
using Streamed = AudioFiles;

// `bytes` with a number of `count` bytes at `at`.
std::string with_number(std::string bytes, size_t at, uint64_t value, size_t count, bool big_endian) {
  return bytes.replace(at, count, bytes_of_number(value, count, big_endian));
}

struct Field {
  const char* name;
  int container;
  const char* before;  // the size field follows these bytes...
  size_t gap;          // ... after so many others
  size_t count;        // bytes of the field
  bool big_endian;
};

constexpr Field fields[] = {{"a.wav", SF_FORMAT_WAV, "data", 0, 4, false},
                            {"a.aiff", SF_FORMAT_AIFF, "SSND", 0, 4, true},
                            {"a.au", SF_FORMAT_AU | SF_ENDIAN_BIG, ".snd", 4, 4, true},
                            {"a.caf", SF_FORMAT_CAF, "data", 0, 8, true},
                            {"a.w64", SF_FORMAT_W64, "data", 12, 8, false},
                            {"a.rf64", SF_FORMAT_RF64, "ds64", 12, 8, false}};

TEST_F(Streamed, AnUnknownSizeReachesToTheFilesEnd) {
  for (const Field& field : fields) {
    const Path path = write(field.name, field.container | SF_FORMAT_PCM_16, 16000, 1, sine(440, 16000, 1));
    const std::string whole = read_file(path);
    const auto expected = load_audio(path).samples;
    ASSERT_EQ(expected.size(), 16000u) << field.name;
    const size_t at = whole.find(field.before) + 4 + field.gap;
    std::vector<uint64_t> sizes = {0, UINT32_MAX, UINT32_MAX - 36, 0x7ffff000, 0x7fffffff, 0x80000000};
    const bool aiff = field.container == SF_FORMAT_AIFF;
    if (aiff) sizes.push_back(0x7f000008);  // SoX's
    if (field.count == 8) sizes = {0, UINT64_MAX, INT64_MAX, INT64_MAX - 100, uint64_t{1} << 63};
    for (const uint64_t size : sizes) {
      std::string bytes = with_number(whole, at, size, field.count, field.big_endian);
      if (field.container == SF_FORMAT_WAV) bytes = with_number(bytes, 4, 0, 4, false);
      write_bytes(field.name, bytes);
      EXPECT_EQ(message(path), "") << field.name << " " << size;
      if (message(path).empty()) {
        EXPECT_EQ(load_audio(path).samples, expected) << field.name << " " << size;
      }
    }
    for (const uint64_t size :
         {uint64_t{70000}, field.count == 8 ? uint64_t{1} << 62 : uint64_t{aiff ? 0x70000000u : 0x7f000008u}})
      EXPECT_THAT(message(write_bytes(field.name, with_number(whole, at, size, field.count, field.big_endian))),
                  HasSubstr(": cut off"))
          << field.name << " " << size;
  }
}

TEST_F(Streamed, AiffOfAPipeStatesNoFrames) {
  const Path path = write("a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 16000, 1, sine(440, 16000, 1));
  const std::string whole = read_file(path);
  const auto expected = load_audio(path).samples;
  const std::string no_frames = with_number(whole, whole.find("COMM") + 10, 0, 4, true);
  EXPECT_EQ(load_audio(write_bytes("a.aiff", no_frames)).samples, expected);
  const std::string no_size = with_number(no_frames, whole.find("SSND") + 4, 0, 4, true);
  EXPECT_EQ(load_audio(write_bytes("a.aiff", with_number(no_size, 4, 0, 4, true))).samples, expected);
}

TEST_F(Streamed, Bw64IsReadAsRf64) {
  const Path path = write("a.wav", SF_FORMAT_RF64 | SF_FORMAT_PCM_16, 16000, 1, sine(440, 16000, 1));
  const auto expected = load_audio(path).samples;
  std::string bytes = read_file(path);
  ASSERT_TRUE(bytes.starts_with("RF64"));
  EXPECT_EQ(load_audio(write_bytes("a.wav", bytes.replace(0, 4, "BW64"))).samples, expected);
}

TEST_F(Streamed, SeveralChunksOfSamplesAreRefused) {
  for (const auto& [name, container, mark] :
       {std::tuple{"a.wav", SF_FORMAT_WAV, "data"}, std::tuple{"a.aiff", SF_FORMAT_AIFF, "SSND"},
        std::tuple{"a.caf", SF_FORMAT_CAF, "data"}, std::tuple{"a.w64", SF_FORMAT_W64, "data"}}) {
    const std::string whole = read_file(write(name, container | SF_FORMAT_PCM_16, 16000, 1, sine(440, 16000, 1)));
    EXPECT_THAT(message(write_bytes(name, whole + whole.substr(whole.find(mark)))), HasSubstr("several chunks"))
        << name;
  }
}

TEST_F(Streamed, CodingsThatFfmpegTakesForOthersAreDecodedByLibsndfile) {
  const auto samples = sine(440, 8000, 1);
  for (const int container : {SF_FORMAT_WAV, SF_FORMAT_AU})
    for (const int coding : {SF_FORMAT_G721_32, SF_FORMAT_G723_24, SF_FORMAT_G723_40, SF_FORMAT_NMS_ADPCM_16,
                             SF_FORMAT_NMS_ADPCM_24, SF_FORMAT_NMS_ADPCM_32}) {
      if (!can_write(container | coding, 8000)) continue;
      const Path path = write("a.wav", container | coding, 8000, 1, samples);
      ASSERT_EQ(message(path), "") << std::hex << coding;
      const auto decoded = load_audio(path).samples, whole = load_audio(path, {0.5, 1}).samples;
      double loud = 0;
      for (size_t n = 4000; n < 12000; ++n) loud += std::abs(decoded.at(n));
      EXPECT_NEAR(loud / 8000, 0.5 * 2 / std::numbers::pi, 0.03) << std::hex << coding;
      EXPECT_EQ(whole.size(), 8000u);
    }
}

TEST_F(Streamed, OpusOfAnUnknownInputRateKeepsItsBandwidth) {
  if (!can_write(SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000)) GTEST_SKIP() << "this libsndfile cannot write Opus";
  const Path path = write("a.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000, 1, sine(6000, 48000, 1));
  const auto expected = load_audio(path).samples;
  const std::string whole = read_file(path);
  for (const uint32_t rate : {0u, 1u, 6000u, 96000u}) {
    std::string bytes = with_number(whole, whole.find("OpusHead") + 12, rate, 4, false);
    auto* start = reinterpret_cast<unsigned char*>(bytes.data());
    ogg_page page{start, 28, start + 28, static_cast<long>(bytes[27])};
    ogg_page_checksum_set(&page);
    EXPECT_EQ(message(write_bytes("a.opus", bytes)), "") << rate;
    EXPECT_EQ(load_audio(path).samples, expected) << rate;
  }
}

TEST_F(Streamed, CompressedSphereIsNamed) {
  std::string bytes =
      "NIST_1A\n   1024\nsample_count -i 48000\nsample_n_bytes -i 2\nchannel_count -i 1\n"
      "sample_coding -s26 pcm,embedded-shorten-v2.00\nend_head\n";
  bytes.resize(3000, ' ');
  EXPECT_THAT(message(write_bytes("a.sph", bytes)), testing::AllOf(HasSubstr("shorten"), HasSubstr("sph2pipe -f wav")));
}

TEST_F(Streamed, TextsInPlaceOfAudioAreNamed) {
  EXPECT_THAT(message(write_bytes("a.wav", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n")),
              HasSubstr("not audio but a pointer of Git LFS"));
  EXPECT_THAT(message(write_bytes("a.wav", "<!DOCTYPE html><title>404</title>")), HasSubstr("a web page"));
  EXPECT_THAT(message(write_bytes("a.wav", R"({"error": "not found"})")), HasSubstr("a JSON text"));
}

}  // namespace
}  // namespace loralens
