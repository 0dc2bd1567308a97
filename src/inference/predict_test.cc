// SPDX-License-Identifier: Apache-2.0
#include "inference/predict.h"

#include <gmock/gmock.h>

#include <cmath>
#include <numeric>
#include <set>

#include "classifier/test_model.h"
#include "inference/predict_files.h"
#include "inference/test_clips.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

TEST(States, AreInTheOrderOfTheClips) {
  const TestFolder folder;
  const Clips clips = tone_corpus(folder, 12);
  for (const bool weighted : {false, true}) {
    const Base base = tiny_base();
    const EmotionModel model = tiny_model(base, tiny_adapter("lora"), weighted);
    ClipSource source(base.encoder, clips.clips, 0, {});
    const std::vector<int64_t> numbers = {7, 2, 11, 0, 2};
    std::vector<int64_t> told;
    const Tensor states = clip_states(model, source, numbers, [&](int64_t done) { told.push_back(done); });
    EXPECT_EQ(states.sizes(), weighted ? (std::vector<int64_t>{5, 4, 16}) : (std::vector<int64_t>{5, 16}));
    EXPECT_FALSE(states.requires_grad());
    EXPECT_EQ(told.back(), 5);
    for (size_t i = 0; i < numbers.size(); ++i) {
      const Batch batch = source.batch(std::vector<int64_t>{numbers[i]});
      EXPECT_LT(difference(states[static_cast<int64_t>(i)],
                           head_states(network_of(model, base.encoder), batch.x, 0, batch.pass)[0]),
                1e-5);
    }
    const Tensor p = probabilities(model, states, {});
    EXPECT_EQ(p.sizes(), (std::vector<int64_t>{5, 3}));
    EXPECT_FALSE(p.requires_grad());
    EXPECT_LT(largest(p.sum(1) - 1), 1e-6);
    EXPECT_LT(largest(p.log() - p.select(1, 0).log().unsqueeze(1) -
                      (logits(model.head, states, {}) - logits(model.head, states, {}).select(1, 0).unsqueeze(1))),
              1e-5);
  }
}

TEST(States, OfALongClipAreTheMeanOverItsWindows) {
  const TestFolder folder;
  const std::vector<Clip> clips = {tone_clip(folder, "long", 400, 95, 1)};
  const Base base = tiny_base();
  for (const bool weighted : {false, true}) {
    const EmotionModel model = tiny_model(base, tiny_adapter("lora"), weighted);
    ClipSource source(base.encoder, clips, 0, {});
    const Batch whole = source.batch(std::vector<int64_t>{0});
    for (const int64_t positions : {1, 1500, 1501, 4500, 100000}) {
      WindowMean mean;
      std::vector<size_t> windows;
      source.pass_windows(0, positions, nullptr, [&](const Batch& batch) {
        windows.push_back(batch.pass.lengths.size());
        mean.add(head_states(network_of(model, base.encoder), batch.x, 0, batch.pass), batch.pass.lengths);
      });
      const auto expected = head_states(network_of(model, base.encoder), whole.x, 0, whole.pass);
      EXPECT_EQ(mean.mean().sizes(), expected.sizes());
      EXPECT_LT(difference(mean.mean(), expected), 1e-5);
      const size_t each = static_cast<size_t>((positions + 1499) / 1500);
      EXPECT_EQ(windows.front(), std::min<size_t>(4, each));
      EXPECT_EQ(std::accumulate(windows.begin(), windows.end(), size_t{0}), 4u);
    }
  }
}

TEST(Passes, HoldWholeWindowsAndWhatABatchHoldsToo) {
  WhisperConfig tiny, large;
  tiny.width = 384, tiny.mlp_width = 1536;
  large.width = 1280, large.mlp_width = 5120;
  EXPECT_EQ(positions_in_pass(tiny), 11 * 1500);  // 2^28 bytes / 15,360 a position
  EXPECT_EQ(positions_in_pass(large), 3 * 1500);  // 2^28 bytes / 51,200 a position
}

TEST(Probabilities, ThatAreNotFiniteNameTheirClip) {
  const TestFolder folder;
  const Clips clips = tone_corpus(folder, 4);
  const Base base = tiny_base();
  const EmotionModel model = tiny_model(base, tiny_adapter("lora"));
  ClipSource source(base.encoder, clips.clips, 0, {});
  const std::vector<int64_t> numbers = {3, 1, 2};
  const Tensor states = clip_states(model, source, numbers);
  for (const double value : {std::nan(""), HUGE_VAL}) {
    Tensor bad = states.clone();
    bad[1].fill_(value);
    try {
      probabilities(model, bad, names_of(source, numbers));
      FAIL();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(clips.clips[1].id + ": the model's answer is"));
    }
  }
}

TEST(States, OfWeightsThatAreNotFiniteAreRefused) {
  const TestFolder folder;
  const Clips clips = tone_corpus(folder, 4);
  const Base base = tiny_base();
  const EmotionModel model = tiny_model(base, tiny_adapter("lora"));
  model.adapted.parameters[0].tensor.detach().fill_(std::nan(""));
  ClipSource source(base.encoder, clips.clips, 0, {});
  EXPECT_THROW(clip_states(model, source, std::vector<int64_t>{0, 1}), Error);
  EXPECT_THROW(clip_states(model, source, std::vector<int64_t>{2}), Error);
  EXPECT_NO_THROW(check_finite(model, source, std::vector<int64_t>{0, 1})) << "the clips are sound";
}

TEST(Memory, OfABatchThatIsMoreThanThereIsNamesItsLongestClip) {
  const TestFolder folder;
  const std::vector<Clip> clips = {tone_clip(folder, "short", 400, 1, 1), tone_clip(folder, "long", 400, 40, 1)};
  const Base base = tiny_base();
  const EmotionModel model = tiny_model(base, tiny_adapter("lora"));
  ClipSource source(base.encoder, clips, 0, {});
  const std::vector<std::vector<int64_t>> batches = {{0}, {0, 1}};
  const WhisperConfig& config = base.encoder.config;
  const int64_t positions = 75 + 2025;  // with half a second of silence each
  const int64_t bytes = positions * config.layers * (8 * config.width + 2 * config.mlp_width) * 4;
  EXPECT_NO_THROW(check_memory(model, source, batches, bytes));
  try {
    check_memory(model, source, batches, bytes - 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("long.wav"));
    EXPECT_THAT(error.what(), HasSubstr("columns start and end"));
  }
  EXPECT_GT(machine_memory(), int64_t{1} << 28);
}

// ---- Files (predict_files)

std::vector<FilePrediction> predictions(const std::vector<EmotionModel>& models,
                                        const std::vector<std::string>& paths) {
  std::vector<FilePrediction> given;
  predict_files(models, source_of(paths), 2, [&](const FilePrediction& one) { given.push_back(one); });
  return given;
}

class LooseFiles : public testing::Test {
 protected:
  LooseFiles() {
    for (const Clip& clip : tone_corpus(folder_, 40).clips) paths_.push_back(clip.path.string());
  }

  TestFolder folder_;
  std::vector<std::string> paths_;
  Base base_ = tiny_base();
};

TEST_F(LooseFiles, AreAnsweredInOrderWithBadOnesBetween) {
  write_file(paths_[1], "not audio");
  paths_.insert(paths_.begin() + 5, (folder_.path() / "none.wav").string());
  paths_.insert(paths_.begin() + 20, folder_.path().string());
  const std::vector<EmotionModel> models = {tiny_model(base_, tiny_adapter("lora"))};
  const auto given = predictions(models, paths_);
  ASSERT_EQ(given.size(), 42u);
  for (size_t i = 0; i < given.size(); ++i) {
    EXPECT_EQ(given[i].path, paths_[i]);
    const bool bad = i == 1 || i == 5 || i == 20;
    EXPECT_EQ(given[i].error.empty(), !bad) << i;
    EXPECT_EQ(given[i].probabilities.size(), bad ? 0u : 3u);
    if (bad) {
      EXPECT_THAT(given[i].error, HasSubstr(paths_[i]));
      continue;
    }
    EXPECT_NEAR(std::accumulate(given[i].probabilities.begin(), given[i].probabilities.end(), 0.0), 1, 1e-6);
    EXPECT_GT(given[i].seconds, 0.19);
    const auto alone = predictions(models, {paths_[i]});
    for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(alone[0].probabilities[c], given[i].probabilities[c], 1e-5);
  }
}

TEST_F(LooseFiles, OfAPathWithAZeroByteAreErrors) {
  const std::string zero(1, '\0');
  const auto given = predictions({tiny_model(base_, tiny_adapter("lora"))}, {zero + "a.wav", paths_[0]});
  EXPECT_THAT(given[0].error, testing::HasSubstr("zero byte"));
  EXPECT_EQ(given[1].error, "");
}

TEST_F(LooseFiles, AgreeWithATableOfClips) {
  const EmotionModel model = tiny_model(base_, tiny_adapter("full"));
  const std::vector<Clip> clips = tone_corpus(folder_, 40).clips;
  ClipSource source(base_.encoder, clips, model.first_adapted_layer(), {});
  std::vector<int64_t> numbers(paths_.size());
  std::iota(numbers.begin(), numbers.end(), 0);
  const Tensor expected = probabilities(model, clip_states(model, source, numbers), {});
  const auto given = predictions({model}, paths_);
  for (size_t i = 0; i < given.size(); ++i)
    for (size_t c = 0; c < 3; ++c)
      EXPECT_NEAR(given[i].probabilities[c], expected[static_cast<int64_t>(i)][static_cast<int64_t>(c)].item<double>(),
                  1e-5);
}

TEST_F(LooseFiles, GetTheMeanOfTheModels) {
  std::vector<EmotionModel> models = {tiny_model(base_, tiny_adapter("lora")),
                                      tiny_model(base_, tiny_adapter("frozen"))};
  paths_.resize(3);
  const auto both = predictions(models, paths_);
  const auto first = predictions({models[0]}, paths_), second = predictions({models[1]}, paths_);
  for (size_t i = 0; i < both.size(); ++i)
    for (size_t c = 0; c < 3; ++c) {
      EXPECT_NEAR(both[i].probabilities[c], (first[i].probabilities[c] + second[i].probabilities[c]) / 2, 1e-12);
      EXPECT_NE(first[i].probabilities[c], second[i].probabilities[c]);
    }
}

TEST_F(LooseFiles, AModelThatFailsIsAnErrorOfEachFile) {
  const EmotionModel model = tiny_model(base_, tiny_adapter("lora"));
  model.head.classifier.bias.detach()[1].fill_(std::nan(""));
  for (const FilePrediction& file : predictions({model}, paths_)) {
    EXPECT_THAT(file.error, testing::StartsWith(file.path + ": the model's answer is"));
    EXPECT_TRUE(file.probabilities.empty());
  }
}

TEST_F(LooseFiles, AClipWithoutSamplesIsAnErrorAloneAndBesideOthers) {
  const std::string none = (folder_.path() / "none.wav").string();
  write_wav(none, {0.5f}, 192000);
  const EmotionModel model = tiny_model(base_, tiny_adapter("lora"));
  for (const std::vector<std::string>& paths : {std::vector{none}, {paths_[0], none, paths_[1]}})
    for (const FilePrediction& file : predictions({model}, paths)) {
      EXPECT_EQ(file.error.empty(), file.path != none);
      EXPECT_EQ(file.probabilities.size(), file.path != none ? 3u : 0u);
    }
}

TEST_F(LooseFiles, LongOnesArePooledOverTheirWindows) {
  const Clip clip = tone_clip(folder_, "long", 400, 31, 1);
  const EmotionModel model = tiny_model(base_, tiny_adapter("lora"));
  const auto mels = mel_segments(clip, LogMel(80), {}, padded_length);
  ASSERT_EQ(mels.size(), 2u);
  std::vector<Tensor> states;
  for (const Tensor& mel : mels) {
    const Pass pass = pass_of({mel.size(1) / 2});
    states.push_back(finish(base_.encoder,
                            run(base_.encoder, model.adapted.adapters, stem(base_.encoder, mel), {0, 3}, pass), pass));
  }
  const Tensor expected = probabilities(model, at::cat(states).mean(0, true).detach(), {});
  const auto given = predictions({model}, {clip.path.string()});
  EXPECT_EQ(given[0].seconds, 31);
  for (size_t c = 0; c < 3; ++c)
    EXPECT_NEAR(given[0].probabilities[c], expected[0][static_cast<int64_t>(c)].item<double>(), 1e-5);
  EXPECT_TRUE(predictions({model}, {}).empty());
}

TEST_F(LooseFiles, ASegmentIsPredictedAsTheFileCutThere) {
  const auto samples = tone(400, 3, 1);
  const std::string whole = (folder_.path() / "whole.wav").string(), part = (folder_.path() / "part.wav").string();
  write_wav(whole, samples);
  write_wav(part, {samples.begin() + 16000, samples.begin() + 40000});
  const EmotionModel model = tiny_model(base_, tiny_adapter("lora"));
  const auto given = predictions({model}, {whole + "#1-2.5", part, whole + "#1-4"});
  EXPECT_EQ(given[0].path, whole + "#1-2.5");
  EXPECT_EQ(given[0].seconds, 1.5);
  EXPECT_EQ(given[0].probabilities, given[1].probabilities);
  EXPECT_THAT(given[2].error, testing::HasSubstr("is not inside the file"));
}

}  // namespace
}  // namespace loralens
