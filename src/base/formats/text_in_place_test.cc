// SPDX-License-Identifier: Apache-2.0
#include "base/formats/text_in_place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace loralens {
namespace {

using testing::HasSubstr;

TEST(TextInPlace, NamesPointersAndAnswersOfServers) {
  EXPECT_THAT(text_in_place_of_data("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n"),
              HasSubstr("a pointer of Git LFS: run 'git lfs pull'"));
  for (const char* page : {"<!DOCTYPE html>\n<html>", "\xef\xbb\xbf \n<HTML lang=en>", "<html>404 Not Found</html>"})
    EXPECT_THAT(text_in_place_of_data(page), HasSubstr("a web page (HTML)")) << page;
  EXPECT_THAT(text_in_place_of_data("<?xml version=\"1.0\"?><Error>"), HasSubstr("an XML text"));
  for (const char* text : {R"({"error": "not found"})", "{\n  \"a\": 1}", "[]", "{}"})
    EXPECT_THAT(text_in_place_of_data(text), HasSubstr("a JSON text")) << text;
}

TEST(TextInPlace, LeavesDataAndOtherTextsAlone) {
  using namespace std::string_view_literals;
  for (const std::string_view bytes :
       {""sv, "RIFF$\0\0\0WAVE"sv, "path,label\na.wav,joy\n"sv, "{\"a\": \0"sv, "{x"sv, "{"sv})
    EXPECT_EQ(text_in_place_of_data(bytes), "") << bytes;
}

}  // namespace
}  // namespace loralens
