// SPDX-License-Identifier: Apache-2.0
// Expected values follow generation_config.json of openai/whisper-base and openai/whisper-tiny.en.
#include "checkpoint/ctranslate2_generation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class Ctranslate2Generation : public testing::Test {
 protected:
  Ctranslate2Generation() {
    const std::pair<const char*, int> special[] = {{"<|endoftext|>", 50257},  {"<|startoftranscript|>", 50258},
                                                   {"<|en|>", 50259},         {"<|haw|>", 50352},
                                                   {"<|yue|>", 50358},        {"<|translate|>", 50360},
                                                   {"<|transcribe|>", 50361}, {"<|notimestamps|>", 50364}};
    for (const auto& [name, id] : special) tokenizer_["added_tokens"].push_back({{"id", id}, {"content", name}});
    tokenizer_["model"]["vocab"] = {{"Ġ", 220}, {"a", 64}};
  }

  json config(bool multilingual = true) const {
    folder_.write("tokenizer.json", tokenizer_.dump());
    const nlohmann::ordered_json tokens = {{"eos_token_id", 50257}, {"decoder_start_token_id", 50258}};
    return generation_config_of(folder_.path(), tokens, multilingual, 448);
  }

  TestFolder folder_;
  json tokenizer_;
};

TEST_F(Ctranslate2Generation, TakesTheSuppressedTokensAndTheLanguagesOfItsConfig) {
  folder_.write("config.json", R"({"suppress_ids": [1, 2, 50360], "suppress_ids_begin": [220, 50257],
                                   "lang_ids": [50259, 50352], "alignment_heads": [[1, 0]]})");
  const json expected = {{"eos_token_id", 50257},
                         {"decoder_start_token_id", 50258},
                         {"is_multilingual", true},
                         {"no_timestamps_token_id", 50364},
                         {"return_timestamps", false},
                         {"max_length", 448},
                         {"suppress_tokens", {1, 2, 50360}},
                         {"begin_suppress_tokens", {220, 50257}},
                         {"forced_decoder_ids", {{1, nullptr}, {2, 50361}}},
                         {"lang_to_id", {{"<|en|>", 50259}, {"<|haw|>", 50352}}},
                         {"task_to_id", {{"transcribe", 50361}, {"translate", 50360}}}};
  EXPECT_EQ(config(), expected);
}

TEST_F(Ctranslate2Generation, SuppressesTheTokensOfPromptsWithoutAConfig) {
  const json found = config();
  EXPECT_EQ(found["suppress_tokens"], json({50258, 50360, 50361}));
  EXPECT_EQ(found["begin_suppress_tokens"], json({220, 50257}));
  EXPECT_EQ(found["lang_to_id"], json({{"<|en|>", 50259}, {"<|haw|>", 50352}, {"<|yue|>", 50358}}));
}

TEST_F(Ctranslate2Generation, OfAnEnglishOnlyModelNamesNoLanguage) {
  const json found = config(false);
  EXPECT_EQ(found["is_multilingual"], false);
  EXPECT_EQ(found["forced_decoder_ids"], json::parse("[[1, 50364]]"));
  EXPECT_FALSE(found.contains("lang_to_id") || found.contains("task_to_id"));
}

TEST_F(Ctranslate2Generation, ErrorsNameTheFile) {
  tokenizer_["added_tokens"][0]["id"] = 50256;
  EXPECT_THAT(error_of([&] { config(); }), testing::AllOf(HasSubstr("tokenizer.json"), HasSubstr("another model")));
  tokenizer_["added_tokens"].erase(7);
  tokenizer_["added_tokens"][0]["id"] = 50257;
  EXPECT_THAT(error_of([&] { config(); }), HasSubstr("no token <|notimestamps|>"));
  tokenizer_["added_tokens"] = 3;
  EXPECT_THAT(error_of([&] { config(); }), HasSubstr("added_tokens"));
  tokenizer_ = json::object();
  EXPECT_THAT(error_of([&] { config(); }), HasSubstr("added_tokens"));
}

TEST_F(Ctranslate2Generation, AConfigOfOtherTypesIsAnError) {
  folder_.write("config.json", R"({"suppress_ids": "all"})");
  EXPECT_THAT(error_of([&] { config(); }), HasSubstr("suppress_ids"));
  folder_.write("config.json", R"({"suppress_ids": [1.5]})");
  EXPECT_THAT(error_of([&] { config(); }), HasSubstr("config.json"));
}

}  // namespace
}  // namespace loralens
