// SPDX-License-Identifier: Apache-2.0
// Transcripts of files: order, errors, long files, and the encoder's states.
#include "inference/transcribe_files.h"

#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>

#include "classifier/test_model.h"
#include "inference/test_clips.h"
#include "whisper/decoder/test_decoder.h"

namespace loralens {
namespace {

using testing::HasSubstr;

class Transcribe : public testing::Test {
 protected:
  std::vector<FileTranscript> transcribe(const std::vector<std::string>& paths, int64_t threads = 2) const {
    std::vector<FileTranscript> all;
    transcribe_files(model_, source_of(paths), threads, [&](const FileTranscript& file) { all.push_back(file); });
    return all;
  }
  std::string file(const std::string& name, double hertz, double seconds) const {
    return tone_clip(folder_, name, hertz, seconds, hash_of(name)).path.string();
  }

  TestFolder folder_;
  Transcriber model_{
      .encoder = tiny_encoder(),
      .adapters = {},
      .decoder = tiny_decoder(),
      .generation = generation_of(tiny_generation_json(), decoder_config(tiny_whisper_json(), "tiny"), "", "g.json"),
      .tokenizer = Tokenizer(tiny_tokenizer_json(), tiny_words, "t.json"),
      .precision = {}};
};

TEST_F(Transcribe, FilesKeepTheirOrderAndABadFileItsError) {
  std::vector<std::string> paths;
  for (int i = 0; i < 37; ++i) paths.push_back(file(fmt::format("{}", i), 200 + 60 * i, 0.3));
  paths[20] = folder_.write("bad.wav", "no audio").string();
  const auto found = transcribe(paths);
  ASSERT_EQ(found.size(), paths.size());
  for (size_t i = 0; i < paths.size(); ++i) {
    EXPECT_EQ(found[i].path, paths[i]);
    if (i == 20) {
      EXPECT_THAT(found[i].error, HasSubstr("bad.wav"));
      continue;
    }
    EXPECT_EQ(found[i].error, "");
    EXPECT_NEAR(found[i].seconds, 0.3, 1e-9);
    EXPECT_TRUE(found[i].language == "de" || found[i].language == "en");
    if (i % 9 == 0) {
      const auto alone = transcribe({paths[i]})[0];
      EXPECT_EQ(alone.tokens, found[i].tokens);
      EXPECT_EQ(alone.text, found[i].text);
      EXPECT_EQ(alone.language, found[i].language);
    }
  }
}

TEST_F(Transcribe, ALongFileJoinsItsWindowsInTheLanguageOfTheFirst) {
  const std::string path = file("long", 500, 61);
  const auto whole = transcribe({path})[0];
  EXPECT_NEAR(whole.seconds, 61, 1e-9);
  model_.generation = generation_of(tiny_generation_json(), model_.decoder.config, whole.language, "g.json");
  std::vector<int64_t> tokens;
  for (const auto& window : transcribe({path + "#0-30", path + "#30-60", path + "#60-61"}))
    tokens.insert(tokens.end(), window.tokens.begin(), window.tokens.end());
  EXPECT_EQ(whole.tokens, tokens);
}

TEST_F(Transcribe, StatesAreThoseOfTheAdaptedEncoder) {
  const at::NoGradGuard no_grad;
  const EmotionModel adapted = tiny_model(tiny_base(), tiny_adapter("lora"));
  const Encoder& encoder = adapted.adapted.encoder;
  const auto mel = [](uint64_t seed) { return random_tensor({80, 3000}, seed).to(c10::ScalarType::Float); };
  const at::Tensor states = window_states(encoder, adapted.adapted.adapters, {mel(1), mel(2)});
  EXPECT_EQ(states.sizes(), (std::vector<int64_t>{2, 1500, 16}));
  const Pass pass = pass_of({1500});
  for (int64_t i = 0; i < 2; ++i) {
    const at::Tensor x = stem(encoder, mel(i + 1));
    EXPECT_TRUE(same_bits(states[i], finish(encoder, run(encoder, adapted.adapted.adapters, x, {0, 3}, pass), pass)));
  }
  EXPECT_GT(difference(window_states(encoder, {}, {mel(1)})[0], states[0]), 0.01);
}

TEST_F(Transcribe, NoFiles) { EXPECT_TRUE(transcribe({}).empty()); }

}  // namespace
}  // namespace loralens
