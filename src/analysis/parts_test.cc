// SPDX-License-Identifier: Apache-2.0
#include "analysis/parts.h"

#include <gmock/gmock.h>

#include <numeric>

#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// 40 clips of four classes: 0-23 train, 24-31 development, 32-39 test.
class PartsTest : public testing::Test {
 protected:
  PartsTest() {
    for (int64_t i = 0; i < 40; ++i) {
      labels.push_back(i % 4);
      (i < 24 ? fold.train : i < 32 ? fold.development : fold.test).push_back(i);
    }
  }
  std::map<int64_t, int64_t> counts(const std::vector<int64_t>& clips) const {
    std::map<int64_t, int64_t> counts;
    for (const int64_t clip : clips) ++counts[labels[clip]];
    return counts;
  }
  Fold fold;
  std::vector<int64_t> labels;
};

TEST_F(PartsTest, StrictFitsOnTrainingClipsEvenlyOverTheClasses) {
  const Parts parts = choose_parts(fold, labels, {.fit_clips = 10});
  EXPECT_EQ(parts.test, fold.test);
  EXPECT_EQ(parts.fit.size(), 10u);
  for (const int64_t clip : parts.fit) EXPECT_LT(clip, 24);
  for (const auto& [label, count] : counts(parts.fit)) EXPECT_NEAR(static_cast<double>(count), 2.5, 0.5) << label;
  EXPECT_THAT(parts.sample, IsEmpty());
}

TEST_F(PartsTest, AListInStrictKeepsItsOrderAndOnlyTestClips) {
  EXPECT_THAT(choose_parts(fold, labels, {.listed = {36, 3, 33}}).test, ElementsAre(36, 33));
}

TEST_F(PartsTest, PaperSamplesTrainingClipsOfEachClass) {
  const Parts parts = choose_parts(fold, labels, {.training_clips = TrainingClips::sample, .sample_per_class = 5});
  EXPECT_EQ(parts.test, fold.test);
  EXPECT_EQ(parts.sample.size(), 20u);
  for (const auto& [label, count] : counts(parts.sample)) EXPECT_EQ(count, 5) << label;
  for (const int64_t clip : parts.sample) EXPECT_LT(clip, 32);
  EXPECT_EQ(parts.sample,
            choose_parts(fold, labels, {.training_clips = TrainingClips::sample, .sample_per_class = 5}).sample);
  EXPECT_THAT(parts.fit, IsEmpty());
}

TEST_F(PartsTest, PaperTakesListsAsTheyAre) {
  const Parts parts = choose_parts(
      fold, labels, {.training_clips = TrainingClips::sample, .listed = {3, 36}, .listed_sample = {39, 0}});
  EXPECT_THAT(parts.test, ElementsAre(3, 36));
  EXPECT_THAT(parts.sample, ElementsAre(39, 0));
}

TEST_F(PartsTest, AModelOfUnknownTrainingIsSampledFromItsTestClips) {
  const Fold all{{}, {}, fold.test};
  EXPECT_EQ(choose_parts(all, labels, {.training_clips = TrainingClips::sample, .sample_per_class = 1}).sample.size(),
            4u);
}

TEST(ClipList, NamesClipsAsTheTableOrByWholePath) {
  const TestFolder folder;
  Clips clips;
  for (const char* id : {"a.wav", "b.wav"}) {
    Clip clip;
    clip.id = id;
    clip.path = folder.path() / id;
    clips.clips.push_back(clip);
  }
  const auto list = [&](const std::string& text) { return read_clip_list(folder.write("list.txt", text), clips); };
  EXPECT_THAT(list("b.wav\r\n\na.wav\n"), ElementsAre(1, 0));
  EXPECT_THAT(list((folder.path() / "b.wav").string()), ElementsAre(1));
  EXPECT_THAT(error_of([&] { list("a.wav\nc.wav\n"); }), HasSubstr("line 2: 'c.wav' is no clip"));
  EXPECT_THAT(error_of([&] { list("a.wav\na.wav\n"); }), HasSubstr("line 2: 'a.wav' stands there twice"));
  EXPECT_THAT(error_of([&] { list("\n"); }), HasSubstr("names no clip"));
}

}  // namespace
}  // namespace loralens
