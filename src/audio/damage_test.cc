// SPDX-License-Identifier: Apache-2.0
// Decoding of damaged files, and of streams whose header does not give their length.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "audio/decode.h"
#include "audio/test_files.h"

namespace loralens {
namespace {

using testing::HasSubstr;
using Damage = AudioFiles;

constexpr int flac = SF_FORMAT_FLAC | SF_FORMAT_PCM_16, vorbis = SF_FORMAT_OGG | SF_FORMAT_VORBIS,
              opus = SF_FORMAT_OGG | SF_FORMAT_OPUS, mp3 = SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III;

// A quiet half, then a loud one: at a variable bit rate the first frames are small.
std::vector<float> swelling(double seconds) {
  auto samples = sine(440, 16000, seconds);
  for (size_t n = 0; n < samples.size() / 2; ++n) samples[n] *= 1e-3f;
  return samples;
}

// ---- FLAC

// Clears the number of samples, and with `without_sum` the MD5 sum. A FLAC file begins with "fLaC", a block header of
// four bytes and STREAMINFO, in which 36 bits from byte 13 on are the number of samples and 16 bytes from byte 18 on
// the MD5 sum.
std::string without_length(std::string flac_bytes, bool without_sum) {
  flac_bytes[8 + 13] = static_cast<char>(flac_bytes[8 + 13] & 0xf0);
  std::fill_n(flac_bytes.begin() + 8 + 14, 4, '\0');
  if (without_sum) std::fill_n(flac_bytes.begin() + 8 + 18, 16, '\0');
  return flac_bytes;
}

TEST_F(Damage, FlacWithoutALengthIsDecodedToItsEnd) {
  const auto samples = sine(440, 16000, 3);
  const Path known = write("known.flac", flac, 16000, 1, samples);
  const std::string whole = read_file(known);
  for (const bool without_sum : {false, true}) {
    const std::string bytes = without_length(whole, without_sum);
    const Path path = write_bytes("a.flac", bytes);
    EXPECT_EQ(load_audio(path).samples, load_audio(known).samples);
    EXPECT_EQ(audio_seconds(path), 3);
    EXPECT_EQ(load_audio(path, {1, 2}).samples, load_audio(known, {1, 2}).samples);
    EXPECT_EQ(audio_seconds(path, {1}), 2);
    EXPECT_THAT(message(path, {2.5, 3.5}), HasSubstr("not inside the file, which lasts 3.000000 s"));
    for (const double share : {0.3, 0.9, 0.999}) {
      const auto kept = static_cast<size_t>(share * static_cast<double>(bytes.size()));
      EXPECT_THAT(message(write_bytes("cut.flac", bytes.substr(0, kept))), HasSubstr(": cut off"));
      EXPECT_THROW(audio_seconds(folder_ / "cut.flac"), Error);
    }
  }
}

TEST_F(Damage, FlacIsHeldAgainstItsSum) {
  std::string bytes = read_file(write("a.flac", flac, 16000, 1, sine(440, 16000, 1)));
  bytes[8 + 20] ^= 1;
  EXPECT_THAT(message(write_bytes("a.flac", bytes)), HasSubstr("its samples are not those of the MD5 sum"));
}

// ---- One wrong bit

TEST_F(Damage, AWrongBitIsFoundWhereThereAreChecksums) {
  testing::internal::CaptureStderr();
  for (const auto& [name, format] :
       {std::pair{"a.flac", flac}, std::pair{"a.ogg", vorbis}, std::pair{"a.opus", opus}}) {
    if (!can_write(format)) continue;
    const Path path = write(name, format, 16000, 1, swelling(3));
    const std::string whole = read_file(path);
    const auto expected = load_audio(path).samples;
    for (size_t i = 1; i < 40; ++i) {
      std::string bytes = whole;
      bytes[bytes.size() * i / 40] ^= static_cast<char>(1 << i % 8);
      write_bytes(name, bytes);
      try {
        EXPECT_EQ(load_audio(path).samples, expected) << name << " " << i;  // the bit is in a comment or in padding
      } catch (const Error&) {
      }
    }
    std::string last = whole;
    last[last.size() - 20] ^= 4;
    EXPECT_NE(message(write_bytes(name, last)), "") << name;
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

// ---- Ogg

TEST_F(Damage, OggWithoutSomeOfItsPagesIsRefused) {
  const std::string whole = read_file(write("a.ogg", vorbis, 16000, 1, swelling(20)));
  std::vector<size_t> pages;
  for (size_t at = 0; (at = whole.find(std::string_view("OggS\0", 5), at)) != std::string::npos; ++at)
    pages.push_back(at);
  ASSERT_GT(pages.size(), 5u);
  for (size_t page = 0; page < pages.size(); ++page) {
    const size_t end = page + 1 < pages.size() ? pages[page + 1] : whole.size();
    EXPECT_NE(message(write_bytes("b.ogg", whole.substr(0, pages[page]) + whole.substr(end))), "") << page;
  }
  EXPECT_THAT(message(write_bytes("b.ogg", whole.substr(0, pages.back()))), HasSubstr("its last page is missing"));
  EXPECT_THAT(message(write_bytes("b.ogg", whole.substr(0, pages[3]) + whole.substr(pages[4]))),
              HasSubstr("a page is missing"));
  EXPECT_THAT(message(write_bytes("b.ogg", whole + whole)), HasSubstr("several streams"));
  EXPECT_THAT(message(write_bytes("b.ogg", whole + whole.substr(0, 3000))), HasSubstr("several streams"));
  EXPECT_EQ(message(write_bytes("b.ogg", whole + std::string(5000, '\0'))), "");
}

// ---- MP3

// The length of the first frame, which holds a Xing header and no sound in files that libsndfile writes. At 16 kHz a
// frame has 72 * bit rate / sample rate bytes (MPEG-2).
size_t first_frame(const std::string& bytes) {
  const int kilobits[] = {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160};
  const auto third = static_cast<unsigned char>(bytes[2]);
  return static_cast<size_t>(72 * kilobits[third >> 4] * 1000 / 16000 + (third >> 1 & 1));
}

class Mp3 : public AudioFiles {
 protected:
  void SetUp() override {
    if (!can_write(mp3)) GTEST_SKIP() << "this libsndfile cannot write MP3";
    xing_ = read_file(write("xing.mp3", mp3, 16000, 1, swelling(10)));
    ASSERT_NE(xing_.substr(0, 200).find("Xing"), std::string::npos);
    plain_ = xing_.substr(first_frame(xing_));
    testing::internal::CaptureStderr();
  }
  void TearDown() override {
    if (!xing_.empty()) {
      EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    }
  }
  std::string xing_, plain_;
};

TEST_F(Mp3, WithoutALengthIsDecodedToItsEnd) {
  const Path path = write_bytes("a.mp3", plain_);
  const Audio audio = load_audio(path), known = load_audio(folder_ / "xing.mp3");
  EXPECT_DOUBLE_EQ(known.seconds, 10);
  EXPECT_NEAR(audio.seconds, 10, 0.15);  // includes the encoder's delay and padding
  EXPECT_DOUBLE_EQ(audio_seconds(path), audio.seconds);
  EXPECT_EQ(static_cast<double>(audio.samples.size()), audio.seconds * 16000);
  double loud = 0;
  for (size_t n = audio.samples.size() - 40000; n < audio.samples.size() - 16000; ++n)
    loud += std::abs(audio.samples[n]);
  EXPECT_NEAR(loud / 24000, 0.5 * 2 / std::numbers::pi, 0.02);  // the loud end was decoded
  EXPECT_EQ(load_audio(path, {6, 8}).samples,
            std::vector<float>(audio.samples.begin() + 96000, audio.samples.begin() + 128000));
  EXPECT_THAT(message(path, {8, 11}), HasSubstr("is not inside the file, which lasts 10."));
}

TEST_F(Mp3, TagsAndZerosAroundTheFramesAreNoDamage) {
  const auto expected = load_audio(folder_ / "xing.mp3").samples;
  const std::string id3v1 = "TAG" + std::string(125, ' '),
                    id3v2 = std::string("ID3\3\0\0\0\0\2\1", 10) + std::string(257, '\0');
  std::string ape = "APETAGEX" + std::string("\xd0\7\0\0\x20\0\0\0\0\0\0\0", 12) + std::string(44, '\0');
  ape[12] = 32;
  ape = ape.substr(0, 64);
  ape[23] = '\xa0';  // flag: this is the header; footer and items have 32 bytes
  for (const std::string& bytes :
       {xing_ + std::string(40000, '\0'), xing_ + id3v1, id3v2 + xing_, id3v2 + xing_ + id3v1, xing_ + ape,
        id3v2 + id3v2 + xing_, xing_ + ape + id3v1, xing_ + std::string(700, '\0') + id3v1})
    EXPECT_EQ(load_audio(write_bytes("a.mp3", bytes)).samples, expected);
}

TEST_F(Mp3, AStreamFromWithinAFrameBeginsWithTheNextOne) {
  const size_t first = first_frame(plain_);
  ASSERT_GT(first, 20u);
  const auto expected = load_audio(write_bytes("whole.mp3", plain_.substr(first))).samples;
  EXPECT_EQ(load_audio(write_bytes("a.mp3", plain_.substr(20))).samples, expected);
  EXPECT_THAT(message(write_bytes("a.mp3", std::string(3000, 'x') + plain_)), HasSubstr("not audio that can be read"));
  std::string without_first = xing_;  // which holds the number of frames
  without_first[0] = 'x';
  EXPECT_THAT(message(write_bytes("a.mp3", without_first)), HasSubstr("not audio that can be read"));
}

TEST_F(Mp3, OfFreeFormatIsRefusedWithoutFfmpegsCommand) {
  std::string free = plain_;
  free[2] = static_cast<char>(free[2] & 0x0f);
  EXPECT_THAT(message(write_bytes("a.mp3", free)),
              testing::AllOf(HasSubstr("free format"), testing::Not(HasSubstr("ffmpeg"))));
}

TEST_F(Mp3, CutOrDamagedIsRefused) {
  for (const std::string& whole : {xing_, plain_})
    for (size_t i = 1; i < 20; ++i)
      EXPECT_THAT(message(write_bytes("a.mp3", whole.substr(0, whole.size() * i / 20 + 1))), HasSubstr(": cut off"))
          << i;
  const size_t last = xing_.rfind(xing_.substr(0, 2));  // cut between two frames: only the Xing header reveals it
  EXPECT_THAT(message(write_bytes("a.mp3", xing_.substr(0, last))), HasSubstr(": cut off"));
  std::string hole = plain_;
  std::fill_n(hole.begin() + static_cast<ptrdiff_t>(hole.size() / 2), 500, '\0');
  EXPECT_THAT(message(write_bytes("a.mp3", hole)), HasSubstr("is no MP3 frame"));
  EXPECT_THAT(
      message(write_bytes("a.mp3", plain_.substr(0, plain_.size() / 2) + plain_.substr(plain_.size() / 2 + 100))),
      HasSubstr("is no MP3 frame"));
  EXPECT_THAT(message(write_bytes("a.mp3", xing_ + xing_)), HasSubstr("its header promises"));
}

}  // namespace
}  // namespace loralens
