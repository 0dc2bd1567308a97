// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/encoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

// Expected bytes are from the standards: 中 is U+4E2D, E4 B8 AD in UTF-8, D6 D0 in GB 2312.
TEST(Encoding, IsFoundByMarkOrByValidity) {
  const std::string zhong = "\xe4\xb8\xad";
  const auto text = [](const std::string& bytes) { return utf8_of(bytes, "WINDOWS-1252", "t"); };
  EXPECT_EQ(text(""), "");
  EXPECT_EQ(text("plain"), "plain");
  EXPECT_EQ(text("a" + zhong), "a" + zhong);
  EXPECT_EQ(text("\xef\xbb\xbf" + zhong), zhong);
  EXPECT_EQ(text(std::string("\xff\xfe\x2d\x4e\x61\x00", 6)), zhong + "a");
  EXPECT_EQ(text(std::string("\xfe\xff\x4e\x2d\x00\x61", 6)), zhong + "a");
  EXPECT_EQ(text(std::string("a\0b\0", 4)), "ab");
  EXPECT_EQ(text(std::string("\0a\0b", 4)), "ab");
  EXPECT_EQ(text("a\xd6\xd0 b"), "a" + zhong + " b");
  EXPECT_EQ(text("it\x92s"), "it\xe2\x80\x99s");
}

TEST(Encoding, TheOtherOneIsTheCallers) {
  // 镕 is E9 46 in GBK but not in GB 2312.
  EXPECT_EQ(utf8_of("\xe9\x46", "GB18030", "t"), "\xe9\x95\x95");
  EXPECT_EQ(utf8_of("\xe9\x46", "WINDOWS-1252", "t"), "\xc3\xa9\x46");
}

TEST(Encoding, WhatIsNotValidIsRefused) {
  EXPECT_EQ(error_of([] { utf8_of(std::string("\xff\xfe\x2d", 3), "WINDOWS-1252", "a.txt"); }),
            "a.txt: the text is not valid UTF-16LE: save it as UTF-8");
  EXPECT_EQ(error_of([] { utf8_of("\xff\x20", "GB18030", "a.txt"); }),
            "a.txt: the text is not valid GB18030: save it as UTF-8");
}

}  // namespace
}  // namespace loralens
