// SPDX-License-Identifier: Apache-2.0
// Decoding of tokens; on real vocabularies the parity test compares it with Hugging Face's tokenizers.
#include "whisper/tokens/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "whisper/decoder/test_decoder.h"

namespace loralens {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string text(std::vector<int64_t> tokens) {
  return Tokenizer(tiny_tokenizer_json(), tiny_words, "t.json").text(tokens);
}

std::string complaint(const std::function<void(json&)>& change) {
  json changed = tiny_tokenizer_json();
  change(changed);
  return error_of([&] { Tokenizer(changed, tiny_words, "t.json"); });
}

TEST(TokenizerTest, TokensAreBytesOfUtf8) {
  EXPECT_EQ(text({8, 5, 12, 12, 15, 0, 27, 28, 29}), "hello €");
  EXPECT_EQ(text({}), "");
}

TEST(TokenizerTest, SpecialTokensAndTimestampsHaveNoText) {
  EXPECT_EQ(text({33, 34, 36, 38, 39, 1, 39, 32}), "a");
  EXPECT_EQ(text({1, 40, 5'000'000'000, -1, 2}), "ab");
}

TEST(TokenizerTest, OtherAddedTokensStandForThemselves) {
  json value = tiny_tokenizer_json();
  value["added_tokens"].push_back({{"id", 40}, {"content", "Ġ€"}, {"special", false}});
  EXPECT_EQ(Tokenizer(value, tiny_words, "t.json").text(std::vector<int64_t>{1, 40}), "aĠ€");
}

TEST(TokenizerTest, BytesThatFormNoCharacterAreReplaced) {
  EXPECT_EQ(text({1, 27, 28}), "a\ufffd");        // e2 82
  EXPECT_EQ(text({27, 1}), "\ufffda");            // e2 61
  EXPECT_EQ(text({28, 29}), "\ufffd\ufffd");      // 82 ac
  EXPECT_EQ(text({31, 31, 28}), "\ufffdÂ");       // c3 c3 82
  EXPECT_EQ(text({27, 28, 27, 28, 29}), "\ufffd€");
}

// The space is 0x20 = letter U+0120, bytes from 0x7f on have letters up to U+0143.
TEST(TokenizerTest, EveryByteHasALetter) {
  json value = tiny_tokenizer_json();
  json vocabulary;
  std::string expected;
  int others = 0;
  for (int byte = 0; byte < 128; ++byte) {
    const bool printable = byte >= 33 && byte <= 126;
    const int letter = printable ? byte : 256 + others++;
    std::string token;
    if (letter < 128)
      token = static_cast<char>(letter);
    else
      token = {static_cast<char>(0xc4 | (letter >> 6 & 1)), static_cast<char>(0x80 | (letter & 0x3f))};
    vocabulary[token] = byte;
    expected += static_cast<char>(byte);
  }
  value["model"]["vocab"] = vocabulary;
  value["added_tokens"] = json::array();
  std::vector<int64_t> all(128);
  for (int64_t i = 0; i < 128; ++i) all[i] = i;
  EXPECT_EQ(Tokenizer(value, tiny_words, "t.json").text(all), expected);
}

TEST(TokenizerTest, ErrorsNameTheToken) {
  EXPECT_THAT(complaint([](json& t) { t["model"]["type"] = "WordPiece"; }), HasSubstr("WordPiece"));
  EXPECT_THAT(complaint([](json& t) { t["decoder"] = {{"type", "Metaspace"}}; }), HasSubstr("Metaspace"));
  EXPECT_THAT(complaint([](json& t) { t["model"]["vocab"] = {1, 2}; }), HasSubstr("vocab"));
  EXPECT_THAT(complaint([](json& t) { t["model"]["vocab"]["b"] = 1; }), HasSubstr("both"));
  EXPECT_THAT(complaint([](json& t) { t["model"]["vocab"]["b"] = -1; }), HasSubstr("the id of \"b\""));
  EXPECT_THAT(complaint([](json& t) { t["model"]["vocab"]["b"] = 1'000'000; }), HasSubstr("999999"));
  EXPECT_THAT(complaint([](json& t) { t["added_tokens"][0]["content"] = 7; }), HasSubstr("content"));
  EXPECT_THAT(complaint([](json& t) { t["added_tokens"][0]["id"] = 1; }), HasSubstr("both"));
  EXPECT_THAT(complaint([](json& t) { t.erase("model"); }), HasSubstr("model"));
  EXPECT_THAT(complaint([](json& t) { t["model"]["vocab"].erase("b"); }), HasSubstr("no token of the id 2,"));
  EXPECT_THAT(complaint([](json& t) { t = {{"model", {{"vocab", json::object()}}}, {"decoder", t["decoder"]}}; }),
              HasSubstr("no token of the id 0,"));
  const TestFolder folder;
  EXPECT_THAT(error_of([&] { Tokenizer(folder.path() / "tokenizer.json", 0); }), HasSubstr("is missing"));
  EXPECT_THAT(error_of([&] { Tokenizer(folder.write("tokenizer.json", "[["), 0); }), HasSubstr("no valid JSON"));
}

}  // namespace
}  // namespace loralens
