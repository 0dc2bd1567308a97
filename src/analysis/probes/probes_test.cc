// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "analysis/concepts/control_scores.h"
#include "analysis/concepts/test_planted.h"
#include "analysis/parts.h"
#include "analysis/probes/probe.h"
#include "analysis/refitted_head.h"
#include "statistics/normal_values.h"

namespace loralens {
namespace {

using at::Tensor;
using ::testing::Contains;
using ::testing::HasSubstr;

// The tones of TestFold: four speakers, two texts, two genders; the adapter after layer 1 writes what a test plants.
class ProbesTest : public testing::Test {
 protected:
  ProbesTest() { fold_.setting.clips = &clips_; }
  // A direction of its own for each number, in all dimensions.
  static Tensor code(uint64_t number) { return normal_values({16}, number) * 20; }
  // n×D: means over each clip's positions of the state after a layer.
  Tensor states(const Subject& subject, const std::vector<int64_t>& clips, int64_t layer) const {
    std::vector<Tensor> means;
    for (const int64_t clip : clips) {
      const auto seen = fold_.see(subject, clip);
      means.push_back(seen.sites.at({SiteKind::residual_out, layer}).narrow(0, 0, seen.speech).mean(0));
    }
    return at::stack(means);
  }
  void find() { findings_ = fold_.find(make_probes(fold_.setting)); }
  double value(const char* model, const char* concept_name, int64_t layer, const char* metric = "uar") const {
    return value_of(findings_, {.model = model, .layer = layer, .component = concept_name, .metric = metric});
  }

  TestFolder folder_;
  TestFold fold_{folder_};
  Clips clips_ = described_clips(fold_);
  Findings findings_;
};

TEST_F(ProbesTest, WhatTheAdapterWritesIsReadFromItsLayerOnAndNotInTheFrozenModel) {
  plant(fold_, 1, [&](int64_t clip) { return unit_vector(fold_.label(clip), 20); });
  find();
  EXPECT_EQ(value("adapted", "emotion", 1), 1);
  EXPECT_EQ(value("adapted-frozen", "emotion", 1), 1 - value("frozen", "emotion", 1));
  EXPECT_LT(value("frozen", "emotion", 1), 0.8);
  for (const int64_t layer : {-1, 0})
    EXPECT_EQ(value("adapted", "emotion", layer), value("frozen", "emotion", layer)) << layer;
  EXPECT_LT(value("adapted", "emotion", 1, "control"), 0.7);
  EXPECT_NEAR(value("adapted", "emotion", 1, "selectivity"), 1 - value("adapted", "emotion", 1, "control"), 1e-12);
  const Row* row = find_row(findings_.rows, {.model = "adapted", .layer = 1, .component = "emotion", .metric = "uar"});
  EXPECT_EQ(row->null_draws, 19);
  EXPECT_EQ(row->n, 8);
  EXPECT_LT(row->null_high, 1);
  EXPECT_GT(value("adapted", "emotion", 1, "control"), row->null_low);
  EXPECT_LT(value("adapted", "emotion", 1, "control"), row->null_high);
}

TEST_F(ProbesTest, APermutationCannotBeReadThoughALargeDirectionIsThere) {
  // The direction follows the parity of the clip, which the labels do not.
  plant(fold_, 1, [&](int64_t clip) { return unit_vector(clip / 4 % 2, 20); });
  for (int64_t clip = 0; clip < 20; ++clip) fold_.setting.labels[clip] = (clip * 7 + clip / 3) % 3;
  find();
  EXPECT_LT(value("adapted", "emotion", 1), 0.8);
}

TEST_F(ProbesTest, TheProbeIsARegressionOfTheMeanStatesOfTrainingClips) {
  find();
  for (const auto& [subject, model] :
       {std::pair{&fold_.subjects.adapted, "adapted"}, std::pair{&fold_.subjects.frozen, "frozen"}})
    for (const int64_t layer : {0, 1}) {
      std::vector<int64_t> fit, test;
      for (const int64_t clip : fold_.subjects.fit) fit.push_back(fold_.label(clip));
      for (const int64_t clip : fold_.subjects.test) test.push_back(fold_.label(clip));
      const auto penalties =
          std::ranges::find(findings_.arrays, std::string("penalty/") + model + "/emotion", &NamedArray::name);
      ASSERT_NE(penalties, findings_.arrays.end());
      const LogisticFit expected = fit_standardised_logistic(
          {states(*subject, fold_.subjects.fit, layer), at::tensor(fit, c10::ScalarType::Long), {}, 3},
          penalties->values[0][layer + 1].item<double>());
      const Tensor predicted = logistic_logits(expected, states(*subject, fold_.subjects.test, layer)).argmax(1);
      Confusion confusion(3);
      for (size_t i = 0; i < test.size(); ++i)
        confusion.add(test[i], predicted[static_cast<int64_t>(i)].item<int64_t>());
      EXPECT_NEAR(value(model, "emotion", layer), uar(confusion), 1e-12);
    }
}

TEST_F(ProbesTest, SpeakersAreReadAcrossTexts) {
  plant(fold_, 1, [&](int64_t clip) { return code(clips_.clips[clip].speaker.back()); });
  find();
  EXPECT_EQ(value("adapted", "speaker", 1), 1);
  EXPECT_LT(value("adapted", "speaker", 1, "control"), 0.7);
}

TEST_F(ProbesTest, AMarkOfSpeakerAndTextTogetherIsNoSpeaker) {
  plant(fold_, 1, [&](int64_t clip) {
    const Clip& c = clips_.clips[clip];
    return code(c.speaker.back() * (c.text == "first" ? 1 : 1000)) + unit_vector(c.text == "first" ? 0 : 1, 100);
  });
  find();
  EXPECT_LT(value("adapted", "speaker", 1), 0.8);  // a split that ignores texts would read all
  EXPECT_EQ(value("adapted", "text", 1), 1);
}

TEST_F(ProbesTest, GenderHasNoIntervalAndMissingConceptsAreNamed) {
  find();
  const Row* gender = find_row(findings_.rows, {.model = "frozen", .layer = 0, .component = "gender", .metric = "uar"});
  ASSERT_NE(gender, nullptr);
  EXPECT_TRUE(std::isnan(gender->low));
  EXPECT_THAT(gender->without_interval, HasSubstr("whole speakers"));
  for (Clip& clip : clips_.clips) clip.gender = clip.text = "";
  find();
  EXPECT_THAT(findings_.notes, Contains(HasSubstr("gender is left out")));
  EXPECT_THAT(findings_.notes,
              Contains(HasSubstr("no probe of speaker: the training clips have fewer than two texts")));
  for (const Row& row : findings_.rows) EXPECT_EQ(row.key.component, "emotion");
}

TEST_F(ProbesTest, WithoutTrainingClipsNothingIsProbed) {
  fold_.subjects.fit.clear();
  find();
  EXPECT_TRUE(findings_.rows.empty());
  EXPECT_THAT(findings_.notes, Contains(HasSubstr("no training clips")));
}

TEST(Probe, ControlsArePredictedBesideTheProbe) {
  Tensor states = normal_values({40, 5}, 3);
  ProbeLabels labels;
  for (int64_t i = 0; i < 40; ++i) {
    labels.labels.push_back(i % 2 == 0 ? 1 : 4);  // of classes 0 to 4 only two have clips
    states[i][0] += i % 2 == 0 ? 8 : -8;
    if (i % 3 == 0) labels.held_out.insert(i);
  }
  std::vector<int64_t> swapped;
  for (const int64_t label : labels.labels) swapped.push_back(label == 1 ? 4 : 1);
  labels.permuted = {labels.labels, swapped};
  const Probe probe(states, labels);
  const auto predicted = probe.predict(states);
  for (size_t i = 0; i < predicted.size(); ++i)
    EXPECT_THAT(predicted[i], testing::ElementsAre(labels.labels[i], labels.labels[i], swapped[i]));
}

TEST(Probe, AControlIsTheRegressionOfItsLabels) {
  const Tensor states = normal_values({24, 60}, 4) + 2;
  ProbeLabels labels;
  std::vector<int64_t> other;
  for (int64_t i = 0; i < 24; ++i) {
    labels.labels.push_back(i % 3);
    other.push_back(i * i % 3);
    if (i < 8) labels.held_out.insert(i);
  }
  labels.permuted = {other};
  const Probe probe(states, labels);
  const LogisticFit fit =
      fit_standardised_logistic({states, at::tensor(other, c10::ScalarType::Long), {}, 2}, probe.l2());
  const Tensor scored = normal_values({200, 60}, 5) + 2, logits = logistic_logits(fit, scored);
  const auto predicted = probe.predict(scored);
  for (size_t i = 0; i < predicted.size(); ++i) {
    const Tensor of_clip = logits[static_cast<int64_t>(i)];
    if ((of_clip[0] - of_clip[1]).abs().item<double>() <= 0.01) continue;  // the two fits may differ here
    EXPECT_EQ(predicted[i][1], of_clip.argmax().item<int64_t>());
  }
}

TEST(Probe, ClipsThatChooseThePenaltyLeaveOthersOfTheirClass) {
  const std::vector<int64_t> labels = {0, 0, 1, 1, 1, 1};
  for (uint64_t seed = 0; seed < 20; ++seed)  // class 0 is one speaker's
    EXPECT_FALSE(choosing_clips(labels, {"a", "a", "b", "b", "c", "c"}, seed).contains(0));
  EXPECT_EQ(choosing_clips(labels, {"a", "a", "b", "b", "b", "b"}, 1), (std::set<size_t>{1, 5}));
  EXPECT_TRUE(choosing_clips({0, 1, 2}, {"a", "b", "c"}, 1).empty());
}

TEST(ControlScores, AreUarsOfEachControl) {
  ControlScores scores(3);
  const RowKey key{.model = "adapted"};
  // fold 0: class 0 twice, class 2 once; fold 1: class 0 once.
  scores.add(0, key, 0, std::vector<int64_t>{0, 1});
  scores.add(0, key, 0, std::vector<int64_t>{1, 0});
  scores.add(0, key, 2, std::vector<int64_t>{2, 0});
  scores.add(1, key, 0, std::vector<int64_t>{0, 2});
  EXPECT_THAT(scores.uars(key, 0), testing::ElementsAre(0.75, 0.25));
  EXPECT_THAT(scores.uars(key, 1), testing::ElementsAre(1, 0));
  EXPECT_THAT(scores.uars(key, {}), testing::ElementsAre((2 / 3. + 1) / 2, 1 / 6.));
  EXPECT_THAT(scores.fold_means(key), testing::ElementsAre(0.875, 0.125));
}

}  // namespace
}  // namespace loralens
