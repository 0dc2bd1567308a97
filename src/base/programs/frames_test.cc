// SPDX-License-Identifier: Apache-2.0
#include "base/programs/frames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"

namespace loralens {
namespace {

using testing::HasSubstr;

std::string little_endian_text(uint64_t number, size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(number >> (8 * i) & 0xff);
  return text;
}

std::string frame_of(char kind, const std::string& about, const std::string& bytes) {
  return kind + little_endian_text(about.size(), 4) + little_endian_text(bytes.size(), 8) + about + bytes;
}

// Reads from a text, which it shortens.
ReadBytes source_of(std::string& text) {
  return [&text](char* out, size_t count) {
    const size_t given = std::min(count, text.size());
    std::copy_n(text.data(), given, out);
    text.erase(0, given);
    return given;
  };
}

std::string frame_error(std::string text, const FrameLimits& limits = {}) {
  return error_of([&] { read_frame(source_of(text), "a.parquet", limits); });
}

TEST(Frames, AreReadOneAfterTheOther) {
  const std::string audio(3 << 20, '\xff');
  std::string text = frame_of('h', R"({"columns": ["label"]})", "") + frame_of('r', "{}", audio);
  const ReadBytes read = source_of(text);
  const auto first = read_frame(read, "a"), second = read_frame(read, "a");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->kind, 'h');
  EXPECT_EQ(first->about.at("columns").at(0), "label");
  EXPECT_EQ(first->bytes, "");
  EXPECT_EQ(second->kind, 'r');
  EXPECT_EQ(second->bytes, audio);
  EXPECT_FALSE(read_frame(read, "a"));
}

TEST(Frames, CutAtAnyByteAreErrors) {
  const std::string whole = frame_of('r', R"({"path": null})", "RIFF");
  for (size_t bytes = 1; bytes < whole.size(); ++bytes)
    EXPECT_EQ(frame_error(whole.substr(0, bytes)), "a.parquet: the answer ends within a frame") << bytes;
  EXPECT_EQ(frame_error(whole), "");
}

TEST(Frames, LengthsAreBoundedBeforeMemoryIsTaken) {
  const std::string huge = "r" + little_endian_text(2, 4) + little_endian_text(UINT64_MAX, 8) + "{}";
  EXPECT_THAT(frame_error(huge), HasSubstr("18446744073709551615 bytes of audio in a row, the limit is 1073741824"));
  EXPECT_THAT(frame_error("r" + little_endian_text(UINT32_MAX, 4) + little_endian_text(0, 8)),
              HasSubstr("4294967295 bytes describe a row"));
  EXPECT_THAT(frame_error(frame_of('r', "{}", "12345"), {.about = 2, .bytes = 4}), HasSubstr("the limit is 4"));
  EXPECT_EQ(frame_error(frame_of('r', "{}", "1234"), {.about = 2, .bytes = 4}), "");
}

TEST(Frames, WithoutAnObjectAreErrors) {
  for (const char* about : {"", "[]", "1", "{", "{\"a\": 1, \"a\": 2}", "\xff"})
    EXPECT_NE(frame_error(frame_of('r', about, "")), "") << about;
}

}  // namespace
}  // namespace loralens
