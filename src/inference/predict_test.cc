#include "inference/predict.h"

#include <gmock/gmock.h>

#include <numeric>
#include <set>

#include "classifier/test_model.h"
#include "inference/files.h"
#include "inference/test_clips.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

TEST(Batches, ByLengthHoldEachClipOnce) {
  Random random(1);
  std::vector<int64_t> lengths;
  for (int i = 0; i < 200; ++i) lengths.push_back(static_cast<int64_t>(random.below(400)) + 1);
  lengths[17] = 5000;  // more than a batch is meant to hold
  const auto batches = batches_by_length(lengths);
  std::vector<size_t> all;
  int64_t previous = 5000;
  for (const auto& batch : batches) {
    int64_t positions = 0;
    for (const size_t clip : batch) {
      positions += lengths[clip];
      EXPECT_LE(lengths[clip], previous) << "longest first";
      previous = lengths[clip];
    }
    EXPECT_TRUE(positions <= 2000 || batch.size() == 1);
    all.insert(all.end(), batch.begin(), batch.end());
  }
  EXPECT_EQ(std::set<size_t>(all.begin(), all.end()).size(), 200u);
  EXPECT_EQ(all.size(), 200u);
  EXPECT_TRUE(batches_by_length({}).empty());
}

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
      EXPECT_LT(
          difference(states[static_cast<int64_t>(i)], head_states(model, base.encoder, batch.x, 0, batch.pass)[0]),
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

// ---- Loose files

std::vector<FilePrediction> predictions(const std::vector<EmotionModel>& models,
                                        const std::vector<std::string>& paths) {
  std::vector<FilePrediction> given;
  predict_files(models, paths, 2, [&](const FilePrediction& one) { given.push_back(one); });
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

TEST_F(LooseFiles, LongOnesArePooledOverTheirWindows) {
  const Clip clip = tone_clip(folder_, "long", 400, 31, 1);
  const EmotionModel model = tiny_model(base_, tiny_adapter("lora"));
  const auto mels = mel_segments(clip, LogMel(80), {});
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
