// SPDX-License-Identifier: Apache-2.0
#include "corpus/labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

Clips clips_with(std::initializer_list<const char*> labels) {
  Clips clips;
  for (const char* label : labels) {
    clips.clips.emplace_back();
    clips.clips.back().label = label;
    clips.clips.back().id = label;
  }
  return clips;
}

TEST(Labels, ListedOnesAreRenamedAndTheRestIsDropped) {
  auto clips = clips_with({"ang", "exc", "xxx", "sad", "fru", "xxx"});
  const auto dropped = apply_labels(clips, label_map_of("ang=anger, exc = happiness,sad"));
  EXPECT_THAT(column_values(clips, "label"), ElementsAre("anger", "happiness", "sad"));
  EXPECT_EQ(clips.clips[1].id, "exc");
  EXPECT_THAT(dropped, ElementsAre(Pair("fru", 1), Pair("xxx", 2)));
}

TEST(Labels, AStarKeepsTheRest) {
  auto clips = clips_with({"ang", "fru"});
  EXPECT_TRUE(apply_labels(clips, label_map_of("ang=anger,*")).empty());
  EXPECT_THAT(column_values(clips, "label"), ElementsAre("anger", "fru"));
  EXPECT_TRUE(apply_labels(clips, label_map_of("*")).empty());
  EXPECT_EQ(clips.clips.size(), 2u);
}

TEST(Labels, FourClassesOfEveryCorpus) {
  auto clips = clips_with({"ang", "angry", "ANG", "anger", "hap", "happy", "exc", "happiness", "neu", "neutral", "sad",
                           "sadness", "fru", "calm", "F"});
  const auto dropped = apply_labels(clips, label_map_of("four"));
  EXPECT_THAT(counts_by(clips, "label"),
              ElementsAre(Pair("anger", 4), Pair("happiness", 4), Pair("neutral", 2), Pair("sadness", 2)));
  EXPECT_THAT(dropped, ElementsAre(Pair("F", 1), Pair("calm", 1), Pair("fru", 1)));
}

TEST(Labels, SevenClassesOfEveryCorpus) {
  auto clips = clips_with({"Angry", "joy", "SAD", "neutral", "dis", "DIS", "disgust", "fearful", "FEA", "fear", "sur",
                           "surprised", "Surprise", "boredom"});
  const auto dropped = apply_labels(clips, label_map_of("seven"));
  EXPECT_THAT(counts_by(clips, "label"),
              ElementsAre(Pair("anger", 1), Pair("disgust", 3), Pair("fear", 3), Pair("happiness", 1),
                          Pair("neutral", 1), Pair("sadness", 1), Pair("surprise", 3)));
  EXPECT_THAT(dropped, ElementsAre(Pair("boredom", 1)));
}

TEST(Labels, AFileHoldsOnePairALine) {
  const TestFolder folder;
  const auto path = folder.write("labels.txt", "# four of IEMOCAP\nang=anger\r\n\nexc=happiness, hap=happiness\n");
  EXPECT_THAT(label_map_of(path.string()).to,
              ElementsAre(Pair("ang", "anger"), Pair("exc", "happiness"), Pair("hap", "happiness")));
}

TEST(Labels, BadMapsAreRefused) {
  EXPECT_THAT(error_of([] { label_map_of("ang=,sad"); }), HasSubstr("'ang=' is no pair"));
  EXPECT_THAT(error_of([] { label_map_of("a=b,a=c"); }), HasSubstr("'a' is given twice"));
  EXPECT_THAT(error_of([] { label_map_of("five"); }), HasSubstr("labels 'five' is neither"));
  EXPECT_THAT(error_of([] { parse_label_map("# nothing\n", "map.txt"); }), HasSubstr("map.txt: the label map is"));
  auto clips = clips_with({"fru"});
  EXPECT_THAT(error_of([&] { apply_labels(clips, four_classes()); }), HasSubstr("keeps no clip"));
}

}  // namespace
}  // namespace loralens
