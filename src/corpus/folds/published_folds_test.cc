// SPDX-License-Identifier: Apache-2.0
#include "corpus/folds/published_folds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// For each value that the definition names, two clips of different classes.
Clips clips_for(const PublishedFolds& published) {
  Clips clips;
  clips.extra_columns = {"prefix_speaker", "partition"};
  auto groups = published.test;
  groups.push_back(published.development);
  groups.push_back(published.training);
  for (const auto& group : groups)
    for (const auto& value : group)
      for (const char* label : {"x", "y"}) {
        Clip clip;
        clip.id = value + label;
        clip.path = Path(label) / (value + ".wav");
        clip.label = label;
        clip.corpus = published.corpus;
        clip.speaker = value;
        clip.session = value;
        clip.extra = {value, value};
        clips.clips.push_back(clip);
      }
  return clips;
}

TEST(PublishedFolds, TestEachOfTheirValuesOnce) {
  for (const auto& published : published_folds()) {
    const auto clips = clips_for(published);
    const auto folds = make_folds(clips, {.scheme = published.name}, false);
    ASSERT_EQ(folds.size(), published.test.size());
    std::set<int64_t> tested;
    for (size_t f = 0; f < folds.size(); ++f) {
      EXPECT_EQ(folds[f].test.size(), 2 * published.test[f].size());
      EXPECT_EQ(folds[f].development.size(), 2 * published.development.size());
      EXPECT_EQ(folds[f].train.size() + folds[f].development.size() + folds[f].test.size(), clips.clips.size());
      tested.insert(folds[f].test.begin(), folds[f].test.end());
    }
    EXPECT_EQ(tested.size() + 2 * (published.development.size() + published.training.size()), clips.clips.size());
    EXPECT_FALSE(published.source.empty());
  }
}

// Sizes in the definitions: 24 actors in six folds of four, 91 actors in five folds, 535 clips in five folds.
TEST(PublishedFolds, HaveTheSizesOfTheirCorpora) {
  const auto sizes = [](const char* name) {
    std::vector<size_t> sizes;
    for (const auto& values : published_folds_named(name)->test) sizes.push_back(values.size());
    return sizes;
  };
  EXPECT_THAT(sizes("ravdess-6"), ElementsAre(4, 4, 4, 4, 4, 4));
  EXPECT_THAT(sizes("crema-d-5"), ElementsAre(19, 18, 18, 18, 18));
  EXPECT_THAT(sizes("esd-5"), ElementsAre(4, 4, 4, 4, 4));
  EXPECT_THAT(sizes("emo-db-5"), ElementsAre(107, 107, 107, 107, 107));
  EXPECT_EQ(published_folds_named("crema-d-5")->test[0].front(), "1001");
  EXPECT_EQ(published_folds_named("crema-d-5")->test[4].back(), "1091");
  EXPECT_EQ(sizes("iemocap-10-speakers").size(), 10u);
  EXPECT_EQ(sizes("iemocap-5-sessions").size(), 5u);
  EXPECT_EQ(published_folds_named("prefix"), nullptr);
}

TEST(PublishedFolds, AreForTheirCorpusAlone) {
  const auto& published = *published_folds_named("ravdess-6");
  auto clips = clips_for(published);
  const auto message = [&] { return error_of([&] { make_folds(clips, {.scheme = "ravdess-6"}, true); }); };
  EXPECT_EQ(message(), "");
  const auto whole = clips;
  clips.clips[3].corpus = "emo-db";
  EXPECT_THAT(message(),
              HasSubstr("are defined for ravdess alone, and the corpus of " + clips.clips[3].id + " is 'emo-db'"));
  clips = whole;
  clips.clips[3].speaker = "25";
  EXPECT_THAT(message(), HasSubstr("has the speaker '25', which their definition"));
  clips = whole;
  std::erase_if(clips.clips, [](const Clip& clip) {
    return clip.speaker == "04" || clip.speaker == "10" || clip.speaker == "12" || clip.speaker == "14";
  });
  EXPECT_THAT(message(), HasSubstr("fold 1 has no test clip in this table (speaker 04 10 12 14)"));
  clips = clips_for(*published_folds_named("meld"));
  clips.extra_columns = {"prefix_speaker", "part"};
  EXPECT_THAT(error_of([&] { make_folds(clips, {.scheme = "meld"}, true); }), HasSubstr("need the column partition"));
}

}  // namespace
}  // namespace loralens
