// SPDX-License-Identifier: Apache-2.0
// Greedy decoding against a loop over single clips that recomputes everything at each step.
#include "whisper/decoder/greedy.h"

#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/test_folder.h"
#include "whisper/decoder/test_decoder.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

Generation tiny_generation(const std::string& language = "", nlohmann::json json = tiny_generation_json()) {
  return generation_of(json, decoder_config(tiny_whisper_json(), "tiny"), language, "g.json");
}

// Scores of the next token after `tokens`, of a fresh cache: V.
std::vector<double> scores_after(const Decoder& decoder, const Tensor& states, const std::vector<int64_t>& tokens) {
  DecoderCache cache(decoder, states.unsqueeze(0));
  Tensor x;
  for (const int64_t token : tokens) x = advance(decoder, cache, std::vector{token});
  const Tensor scores = token_logits(decoder, x)[0].to(c10::ScalarType::Double);
  return {scores.const_data_ptr<double>(), scores.const_data_ptr<double>() + scores.numel()};
}

int64_t best_of(const std::vector<double>& scores, const std::function<bool(int64_t)>& allowed) {
  int64_t best = -1;
  for (int64_t token = 0; token < std::ssize(scores); ++token)
    if (allowed(token) && (best < 0 || scores[token] > scores[best])) best = token;
  return best;
}

// The transcript of one clip by the rules of Generation, with the prompt's language `language`.
std::vector<int64_t> naive_transcript(const Decoder& decoder, const Tensor& states, int64_t language) {
  std::vector<int64_t> tokens = {33, language, 36, 38};
  while (tokens.size() < 20) {
    const bool first = tokens.size() == 4;
    const int64_t next = best_of(scores_after(decoder, states, tokens),
                                 [&](int64_t token) { return token <= 32 && !(first && (token == 0 || token == 32)); });
    if (next == 32) break;
    tokens.push_back(next);
  }
  return {tokens.begin() + 4, tokens.end()};
}

TEST(Greedy, ABatchEqualsSingleClipsWithoutCache) {
  int64_t ended = 0;
  for (uint64_t seed = 1; seed < 9; ++seed) {
    const Decoder decoder = tiny_decoder(in_double, seed);
    const Tensor states = 3 * random_tensor({5, 7, 16}, seed + 100);
    const auto found = transcribe(decoder, states, tiny_generation("de"));
    ASSERT_EQ(found.size(), 5u);
    for (int64_t clip = 0; clip < 5; ++clip) {
      EXPECT_EQ(found[clip].tokens, naive_transcript(decoder, states[clip], 34)) << seed << " " << clip;
      EXPECT_EQ(found[clip].language, 34);
      ended += found[clip].tokens.size() < 16;
    }
  }
  EXPECT_GT(ended, 0);
  EXPECT_LT(ended, 40) << "some transcripts fill the decoder's positions";
}

TEST(Greedy, TheLanguageIsTheMostProbableLanguageToken) {
  int64_t german = 0;
  for (uint64_t seed = 1; seed < 5; ++seed) {
    const Decoder decoder = tiny_decoder(in_double, seed);
    const Tensor states = 3 * random_tensor({4, 7, 16}, seed);
    const auto found = transcribe(decoder, states, tiny_generation());
    const auto given =
        transcribe(decoder, states, tiny_generation(), std::vector<int64_t>{35, detected_language, 34, 35});
    for (int64_t clip = 0; clip < 4; ++clip) {
      const int64_t language =
          best_of(scores_after(decoder, states[clip], {33}), [](int64_t token) { return token == 34 || token == 35; });
      EXPECT_EQ(found[clip].language, language);
      EXPECT_EQ(found[clip].tokens, naive_transcript(decoder, states[clip], language));
      EXPECT_EQ(given[clip].language, clip == 1 ? language : clip == 2 ? 34 : 35);
      EXPECT_EQ(given[clip].tokens, naive_transcript(decoder, states[clip], given[clip].language));
      german += language == 34;
    }
  }
  EXPECT_GT(german, 0);
  EXPECT_LT(german, 16);
}

TEST(Greedy, StopsAtTheMaximalLength) {
  nlohmann::json json = tiny_generation_json();
  json["max_length"] = 3;
  json["suppress_tokens"].push_back(32);  // never ends by itself
  const Decoder decoder = tiny_decoder();
  const Tensor states = random_tensor({2, 7, 16}, 1).to(c10::ScalarType::Float);
  for (const auto& clip : transcribe(decoder, states, tiny_generation("de", json))) EXPECT_EQ(clip.tokens.size(), 3u);
  json["max_length"] = 448;
  for (const auto& clip : transcribe(decoder, states, tiny_generation("de", json))) EXPECT_EQ(clip.tokens.size(), 16u);
  EXPECT_TRUE(transcribe(decoder, states.narrow(0, 0, 0), tiny_generation()).empty());
}

TEST(Greedy, ScoresThatAreNotFiniteAreAnError) {
  const Decoder decoder = tiny_decoder();
  const Tensor states = random_tensor({1, 7, 16}, 1).to(c10::ScalarType::Float) * NAN;
  EXPECT_THAT(error_of([&] { transcribe(decoder, states, tiny_generation()); }), HasSubstr("not finite"));
}

}  // namespace
}  // namespace loralens
