// SPDX-License-Identifier: Apache-2.0
#include "corpus/soft_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

// Two clips with votes in three columns.
Clips voted(const std::vector<std::string>& first, const std::vector<std::string>& second) {
  Clips clips;
  clips.extra_columns = {"joy", "exc", "sad_votes"};
  for (const auto& [id, votes] : {std::pair{"a", first}, std::pair{"b", second}}) {
    Clip& clip = clips.clips.emplace_back();
    clip.id = id;
    clip.label = "joy";
    clip.extra = votes;
  }
  return clips;
}

const std::vector<std::string> both = {"joy", "sadness"};

TEST(SoftLabels, ColumnsAndTheirClassesAreParsed) {
  EXPECT_THAT(parse_vote_columns("joy, exc = joy,sad_votes=sadness"),
              ElementsAre(Pair("exc", "joy"), Pair("joy", "joy"), Pair("sad_votes", "sadness")));
  for (const char* text : {"", "joy=", "=joy", "joy,joy=sadness", "joy,*"})
    EXPECT_THAT(error_of([&] { parse_vote_columns(text); }), HasSubstr("--soft-labels")) << text;
}

TEST(SoftLabels, AreVotesDividedByTheirSum) {
  const auto columns = parse_vote_columns("joy,exc=joy,sad_votes=sadness");
  const auto rows = soft_labels(voted({"2", "1", "1"}, {"0", "0", "0.5"}), both, columns);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_THAT(rows[0], ElementsAre(DoubleEq(0.75), DoubleEq(0.25)));
  EXPECT_THAT(rows[1], ElementsAre(0, 1));
}

TEST(SoftLabels, NeedVotesOfEveryClipForEveryClass) {
  const auto error_with = [](const char* columns, const std::string& cell) {
    return error_of([&] { soft_labels(voted({"1", "0", "1"}, {"0", cell, "0"}), both, parse_vote_columns(columns)); });
  };
  const char* all = "joy,exc=joy,sad_votes=sadness";
  EXPECT_EQ(error_with(all, "3"), "");
  EXPECT_THAT(error_with(all, "-1"), HasSubstr("the clip 'b' has -1 votes in the column 'exc'"));
  for (const char* cell : {"", "many", "nan", "1e999"})
    EXPECT_THAT(error_with(all, cell), HasSubstr("in the column 'exc': write the number of votes")) << cell;
  EXPECT_THAT(error_with(all, "0"), HasSubstr("the clip 'b' has 0 votes in all"));
  EXPECT_THAT(error_with("joy,sad=sadness", "1"), HasSubstr("no column 'sad'"));
  EXPECT_THAT(error_with("joy,exc=joy", "1"), HasSubstr("the class 'sadness' has no column"));
  EXPECT_THAT(error_with("joy,exc,sad_votes=sadness", "1"), HasSubstr("'exc' is for 'exc', which is none of"));
}

}  // namespace
}  // namespace loralens
