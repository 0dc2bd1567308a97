// SPDX-License-Identifier: Apache-2.0
// Prompts by the rules of transformers, which tests/oracle/decoder_parity.py checks on real models.
#include "whisper/tokens/generation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "whisper/decoder/test_decoder.h"

namespace loralens {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

Generation generation(const json& changes = {}, const std::string& language = "") {
  json all = tiny_generation_json();
  if (!changes.is_null()) all.merge_patch(changes);  // null removes a key
  return generation_of(all, decoder_config(tiny_whisper_json(), "tiny"), language, "g.json");
}

std::string complaint(const json& changes, const std::string& language = "") {
  return error_of([&] { generation(changes, language); });
}

TEST(GenerationTest, ThePromptOfAMultilingualModel) {
  EXPECT_THAT(generation().prompt, ElementsAre(33, detected_language, 36, 38));
  EXPECT_THAT(generation({}, "de").prompt, ElementsAre(33, 34, 36, 38));
  EXPECT_THAT(generation({}, "EN").prompt, ElementsAre(33, 35, 36, 38));
  EXPECT_THAT(generation({}, "<|en|>").prompt, ElementsAre(33, 35, 36, 38));
  EXPECT_EQ(generation().language_of(34), "de");
  EXPECT_EQ(generation().language_of(1), "");
}

TEST(GenerationTest, LanguageAndTaskOfTheFile) {
  EXPECT_THAT(generation({{"language", "de"}}).prompt, ElementsAre(33, 34, 36, 38));
  EXPECT_THAT(generation({{"language", "de"}}, "en").prompt, ElementsAre(33, 35, 36, 38));
  EXPECT_THAT(generation({{"task", "translate"}}).prompt, ElementsAre(33, detected_language, 37, 38));
  EXPECT_THAT(generation({{"task", "translate"}}, "de").prompt, ElementsAre(33, 34, 37, 38));
  EXPECT_THAT(generation({{"forced_decoder_ids", nullptr}}).prompt, ElementsAre(33, detected_language, 38));
  EXPECT_THAT(generation({{"forced_decoder_ids", {{1, 35}, {2, 36}, {3, 38}}}}).prompt, ElementsAre(33, 35, 36, 38));
}

TEST(GenerationTest, ThePromptOfAnEnglishOnlyModel) {
  const json english = {
      {"is_multilingual", false}, {"lang_to_id", nullptr}, {"task_to_id", nullptr}, {"forced_decoder_ids", {{1, 38}}}};
  EXPECT_THAT(generation(english).prompt, ElementsAre(33, 38));
  EXPECT_TRUE(generation(english).languages.empty());
  EXPECT_THAT(complaint(english, "en"), HasSubstr("English-only"));
}

TEST(GenerationTest, SuppressedTokensAndLength) {
  EXPECT_THAT(generation().suppressed, ElementsAre(33, 34, 35, 36, 37, 38, 39));
  EXPECT_THAT(generation().suppressed_first, ElementsAre(0, 32));
  EXPECT_TRUE(generation({{"suppress_tokens", nullptr}}).suppressed.empty());
  EXPECT_EQ(generation().end, 32);
  EXPECT_EQ(generation().most_tokens, 20);  // the decoder's positions
  EXPECT_EQ(generation({{"max_length", 5}}).most_tokens, 9);  // behind the prompt, as in transformers
}

TEST(GenerationTest, ErrorsNameTheKey) {
  EXPECT_THAT(complaint({{"decoder_start_token_id", nullptr}}), HasSubstr("decoder_start_token_id"));
  EXPECT_THAT(complaint({{"eos_token_id", 40}}), HasSubstr("0 to 39"));
  EXPECT_THAT(complaint({{"suppress_tokens", {1, "a"}}}), HasSubstr("a token in \"suppress_tokens\""));
  EXPECT_THAT(complaint({{"suppress_tokens", 7}}), HasSubstr("a list of tokens"));
  EXPECT_THAT(complaint({{"lang_to_id", {1}}}), HasSubstr("an object of tokens"));
  EXPECT_THAT(complaint({{"forced_decoder_ids", {{2, 36}}}}), HasSubstr("the places 1, 2"));
  EXPECT_THAT(complaint({{"forced_decoder_ids", {{1, 36, 2}}}}), HasSubstr("pairs of place and token"));
  EXPECT_THAT(complaint({{"task", "sing"}}), HasSubstr("no task \"sing\""));
  EXPECT_THAT(complaint({{"language", "german"}}), HasSubstr("\"german\""));
  EXPECT_THAT(complaint({}, "xx"), HasSubstr("de en"));
  json many = json::array();
  for (int i = 1; i <= 20; ++i) many.push_back({i, 1});
  EXPECT_THAT(complaint({{"forced_decoder_ids", many}}), HasSubstr("no room"));
}

TEST(GenerationTest, AFolderWithoutTheFile) {
  const TestFolder folder;
  EXPECT_THAT(error_of([&] { read_generation(folder.path(), {}, ""); }),
              HasSubstr("generation_config.json is missing"));
}

}  // namespace
}  // namespace loralens
