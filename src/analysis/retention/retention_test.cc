// SPDX-License-Identifier: Apache-2.0
#include "analysis/retention/retention.h"

#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "analysis/test_fold.h"
#include "base/error.h"
#include "inference/transcribe_files.h"
#include "inference/windows.h"
#include "whisper/decoder/test_decoder.h"

namespace loralens {
namespace {

using at::Tensor;

// Tokens 0 to 25 are letters, the others spaces.
std::string letters_of(std::span<const int64_t> tokens) {
  std::string text;
  for (const int64_t token : tokens) text += token < 26 ? static_cast<char>('a' + token) : ' ';
  return text;
}

TranscriptWriter tiny_writer() {
  Decoder decoder = tiny_decoder(in_double);
  Generation generation = generation_of(tiny_generation_json(), decoder.config, "", "tiny");
  return {.decoder = std::move(decoder), .generation = std::move(generation), .text = letters_of};
}

class RetentionTest : public testing::Test {
 protected:
  Findings find() { return fold_.find(std::make_unique<Retention>(fold_.setting, tiny_writer)); }

  // The final states of one clip, padded, T×D.
  Tensor states(const Subject& subject, int64_t clip, int64_t* positions = nullptr) const {
    const LogMel mel(fold_.setting.base->config.mels);
    double seconds = 0;
    const auto mels =
        mel_segments(fold_.clip(clip), mel, {.padded = true}, window_samples(fold_.setting.base->config), &seconds);
    if (positions) *positions = std::llround(std::ceil(seconds * 50));
    const at::NoGradGuard no_grad;
    return window_states(subject.encoder, subject.model.adapted.adapters, {mels.front()});
  }

  TestFolder folder_;
  TestFold fold_{folder_};
};

TEST_F(RetentionTest, CountsEditsFromTheFrozenTranscripts) {
  const Findings findings = find();
  const TranscriptWriter writer = tiny_writer();
  const at::NoGradGuard no_grad;
  double tokens = 0, changed = 0;
  for (const int64_t clip : fold_.subjects.test) {
    const auto before = transcribe(writer.decoder, states(fold_.subjects.frozen, clip), writer.generation);
    const auto after = transcribe(writer.decoder, states(fold_.subjects.adapted, clip), writer.generation,
                                  std::vector<int64_t>{before[0].language});
    // Transcripts of equal length that differ in some places have at most as many edits as places.
    const auto &a = after[0].tokens, &b = before[0].tokens;
    EXPECT_FALSE(a.empty());
    int64_t different = std::abs(std::ssize(a) - std::ssize(b));
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) different += a[i] != b[i];
    tokens += static_cast<double>(different) / static_cast<double>(std::max<size_t>(b.size(), 1));
    changed += letters_of(a) != letters_of(b);
  }
  const auto n = static_cast<double>(fold_.subjects.test.size());
  const auto value = [&](const char* metric) {
    return value_of(findings, {.model = "adapted", .variant = "frozen-transcript", .metric = metric});
  };
  EXPECT_LE(value("token_error_rate"), tokens / n + 1e-12);
  EXPECT_LE(value("changed"), changed / n + 1e-12);
  EXPECT_EQ(value("changed") > 0, value("word_error_rate") > 0);
}

TEST_F(RetentionTest, RSquaredIsThatOfTheFrozenStates) {
  const Findings findings = find();
  double sum = 0;
  for (const int64_t clip : fold_.subjects.test) {
    int64_t positions = 0;
    const Tensor a = states(fold_.subjects.adapted, clip, &positions)[0].slice(0, 0, positions),
                 f = states(fold_.subjects.frozen, clip)[0].slice(0, 0, positions);
    sum += 1 - ((a - f).pow(2).sum() / (f - f.mean(0)).pow(2).sum()).item<double>();
  }
  EXPECT_NEAR(value_of(findings, {.model = "adapted", .component = "states", .metric = "r_squared"}),
              sum / static_cast<double>(fold_.subjects.test.size()), 1e-9);
}

TEST_F(RetentionTest, AnAdapterThatChangesNothingKeepsEverything) {
  fold_.subjects.adapted.model.adapted.adapters.clear();
  const Findings findings = find();
  for (const auto& [variant, metric, component, expected] :
       {std::tuple{"frozen-transcript", "word_error_rate", "", 0.0},
        {"frozen-transcript", "token_error_rate", "", 0.0},
        {"frozen-transcript", "changed", "", 0.0},
        {"", "r_squared", "states", 1.0}})
    EXPECT_EQ(value_of(findings, {.model = "adapted", .variant = variant, .component = component, .metric = metric}),
              expected);
  EXPECT_THAT(findings.notes, testing::Contains(testing::HasSubstr("no column text")));
}

TEST_F(RetentionTest, WithoutADecoderItSaysWhy) {
  const Findings findings = fold_.find(
      std::make_unique<Retention>(fold_.setting, []() -> TranscriptWriter { fail("the checkpoint has no decoder"); }));
  EXPECT_TRUE(findings.rows.empty());
  EXPECT_THAT(findings.notes, testing::ElementsAre("No transcripts: the checkpoint has no decoder"));
}

}  // namespace
}  // namespace loralens
