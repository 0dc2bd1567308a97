// SPDX-License-Identifier: Apache-2.0
#include "corpus/join.h"

#include <gmock/gmock.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Join : public testing::Test {
 protected:
  std::string table(const std::string& name, const std::string& text) { return folder_.write(name, text).string(); }
  std::string error_with(const std::vector<std::string>& tables) {
    return error_of([&] { read_corpora(tables); });
  }
  TestFolder folder_;
};

TEST_F(Join, MakesSpeakersAndSessionsDistinct) {
  const auto a = table("emo.csv", "path,label,speaker,session,note\na.wav,joy,03,1,x\nb.wav,anger,,,\n");
  const auto b = table("rav.csv", "path,label,speaker,corpus,take\nc.wav,joy,04,ravdess,2\n");
  const Clips clips = read_corpora(std::vector{a, b});
  EXPECT_THAT(column_values(clips, "speaker"), ElementsAre("emo/03", "", "ravdess/04"));
  EXPECT_THAT(column_values(clips, "session"), ElementsAre("emo/1", "", ""));
  EXPECT_THAT(column_values(clips, "corpus"), ElementsAre("emo", "emo", "ravdess"));
  EXPECT_THAT(column_values(clips, "note"), ElementsAre("x", "", ""));
  EXPECT_THAT(column_values(clips, "take"), ElementsAre("", "", "2"));
  EXPECT_EQ(clips.clips[2].id, "c.wav");
  EXPECT_EQ(clips.clips[2].path, folder_.path() / "c.wav");
  EXPECT_THAT(classes_of(clips), ElementsAre("anger", "joy"));
}

TEST_F(Join, LeavesASingleTableAsItIs) {
  const Clips clips = read_corpora(std::vector{table("emo.csv", "path,label,speaker\na.wav,joy,03\n")});
  EXPECT_EQ(clips.clips[0].speaker, "03");
  EXPECT_EQ(clips.clips[0].corpus, "emo");
}

TEST_F(Join, ACorpusMayStandInTwoTablesThatNameIt) {
  const auto a = table("part-1.csv", "path,label,speaker,corpus\na.wav,joy,03,emo-db\n");
  const auto b = table("part-2.csv", "path,label,speaker,corpus\nb.wav,joy,03,emo-db\n");
  EXPECT_THAT(column_values(read_corpora(std::vector{a, b}), "speaker"), ElementsAre("emo-db/03", "emo-db/03"));
}

TEST_F(Join, ASpeakerOfTwoNamedCorporaIsTwo) {
  const auto a = table("a.csv", "path,label,speaker,session,corpus\na.wav,joy,03,1,emo-db\n");
  const auto b = table("b.csv", "path,label,speaker,session,corpus\nb.wav,joy,03,1,ravdess\n");
  EXPECT_THAT(column_values(read_corpora(std::vector{a, b}), "speaker"), ElementsAre("emo-db/03", "ravdess/03"));
}

// Two files may be parts of one corpus; a speaker in both would then be in the training and the test part of a fold.
TEST_F(Join, RefusesASpeakerOrSessionOfCorporaThatOnlyAFileNames) {
  const auto a = table("part-1.csv", "path,label,speaker,session\na.wav,joy,Anna,1\n");
  const auto b = table("part-2.csv", "path,label,speaker,session\nb.wav,joy,Ben,2\nc.wav,joy,anna,3\n");
  EXPECT_THAT(error_with({a, b}), testing::AllOf(HasSubstr("the speaker 'anna'"), HasSubstr(a + ": row 2"),
                                                 HasSubstr(b + ": row 3"), HasSubstr("a column 'corpus'")));
  const auto named = table("c.csv", "path,label,speaker,session,corpus\nd.wav,joy,Carl,1,emo-db\n");
  EXPECT_THAT(error_with({a, named}), testing::AllOf(HasSubstr("the session '1'"), HasSubstr(a + ": row 2 names no")));
  EXPECT_THAT(error_with({named, a}), HasSubstr(a + ": row 2 names no"));
  const auto partly = table("d.csv", "path,label,speaker,corpus\ne.wav,joy,Eve,emo-db\nf.wav,joy,Eve,\n");
  EXPECT_THAT(error_with({partly}), HasSubstr("the speaker 'Eve'"));
}

TEST_F(Join, RefusesWhatCannotBeToldApart) {
  const auto a = table("one/clips.csv", "path,label,speaker\na.wav,joy,1\n");
  const auto b = table("two/clips.csv", "path,label,speaker\nb.wav,joy,1\n");
  EXPECT_THAT(error_with({a, b}), HasSubstr("both hold a corpus 'clips': give each a column 'corpus'"));
  const auto c = table("c.csv", "path,label,speaker\na.wav,joy,1\n");
  EXPECT_THAT(error_with({a, c}), testing::AllOf(HasSubstr("the clip 'a.wav' is in "), HasSubstr(a), HasSubstr(c),
                                                 HasSubstr("another folder")));
  EXPECT_THAT(error_with({a, folder_.path() / "one/../one/clips.csv"}), HasSubstr("is given twice"));
  EXPECT_THAT(error_with({}), HasSubstr("no table"));
}

}  // namespace
}  // namespace loralens
