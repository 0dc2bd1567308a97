// SPDX-License-Identifier: Apache-2.0
// Tests of the CREMA-D reader on folders with CREMA-D's layout, without audio.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "corpus/readers/readers.h"
#include "corpus/test_audio.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

void write_tree(const TestFolder& folder) {
  for (const char* name : {"1001_DFA_ANG_XX", "1001_IEO_HAP_LO", "1001_IEO_SAD_HI", "1002_WSI_NEU_XX",
                           "1002_IEO_FEA_MD", "1002_TIE_DIS_X"})
    folder.write(fmt::format("AudioWAV/{}.wav", name), "");
  folder.write("AudioWAV/readme.wav", "");
  folder.write("AudioMP3/1001_DFA_ANG_XX.mp3", "");  // the corpus has each clip as MP3 too
  folder.write("VideoDemographics.csv",
               "\"ActorID\",\"Age\",\"Sex\",\"Race\",\"Ethnicity\"\n"
               "1001,51,\"Male\",\"Caucasian\",\"Not Hispanic\"\n1002,21,\"Female\",\"Asian\",\"Not Hispanic\"\n");
}

TEST(CremaD, ReadsNamesAndActors) {
  const TestFolder folder;
  write_tree(folder);
  const auto corpus = read_corpus("crema-d", folder.path());
  const auto& clips = corpus.clips;
  ASSERT_EQ(clips.clips.size(), 6u);
  EXPECT_EQ(clips.clips[0].id, "AudioWAV/1001_DFA_ANG_XX.wav");
  EXPECT_EQ(clips.clips[0].path, folder.path() / clips.clips[0].id);
  EXPECT_THAT(column_values(clips, "label"),
              ElementsAre("anger", "happiness", "sadness", "fear", "disgust", "neutral"));
  EXPECT_THAT(column_values(clips, "speaker"), ElementsAre("1001", "1001", "1001", "1002", "1002", "1002"));
  EXPECT_THAT(column_values(clips, "intensity"), ElementsAre("", "low", "high", "medium", "", ""));
  EXPECT_THAT(column_values(clips, "gender"), ElementsAre("male", "male", "male", "female", "female", "female"));
  EXPECT_THAT(column_values(clips, "age"), ElementsAre("51", "51", "51", "21", "21", "21"));
  EXPECT_EQ(column_values(clips, "race")[3], "Asian");
  EXPECT_EQ(column_values(clips, "ethnicity")[0], "Not Hispanic");
  EXPECT_EQ(clips.clips[1].text, "It's eleven o'clock.");
  EXPECT_EQ(clips.clips[1].corpus, "crema-d");
  EXPECT_EQ(clips.clips[1].language, "en");
  EXPECT_THAT(clips.extra_columns, ElementsAre("age", "race", "ethnicity"));
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 1 audio files with other names\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("by label (found of published): anger 1 of 1271, disgust 1 of 1271"));
  EXPECT_THAT(corpus.summary, HasSubstr("by speaker (found of published): 1001 3 of 82, 1002 3 of 81, 1003 0 of 82"));

  const auto inner = read_corpus("crema-d", folder.path() / "AudioWAV");
  EXPECT_EQ(inner.clips.clips[0].id, "1001_DFA_ANG_XX.wav");
  EXPECT_EQ(inner.clips.clips[0].gender, "male");
}

TEST(CremaD, TheSilentClipIsTold) {
  const TestFolder folder;
  write_tree(folder);
  folder.write("AudioWAV/1076_MTI_SAD_XX.wav", silent_wav(1));
  folder.write("VideoDemographics.csv",
               "ActorID,Age,Sex,Race,Ethnicity\n1001,1,Male,,\n1002,1,Male,,\n1076,1,Male,,\n");
  EXPECT_THAT(read_corpus("crema-d", folder.path()).summary,
              HasSubstr("AudioWAV/1076_MTI_SAD_XX.wav has no sound in the corpus itself"));
}

TEST(CremaD, TheVoteOfTheRatersCanBeTheLabel) {
  const TestFolder folder;
  write_tree(folder);
  EXPECT_THAT(error_of([&] { read_corpus("crema-d", folder.path(), {.perceived = "voice"}); }),
              HasSubstr("summaryTable.csv is not there: --perceived takes"));
  folder.write("processedResults/summaryTable.csv",
               "\"\",\"FileName\",\"VoiceVote\",\"VoiceLevel\",\"FaceVote\",\"FaceLevel\","
               "\"MultiModalVote\",\"MultiModalLevel\"\n"
               "\"1\",\"1001_DFA_ANG_XX\",\"N\",\"69\",\"A\",\"92\",\"A\",\"64\"\n"
               "\"2\",\"1001_IEO_HAP_LO\",\"H:N\",\"69:50\",\"H\",\"92\",\"H\",\"64\"\n"
               "\"3\",\"1002_WSI_NEU_XX\",\"S\",\"69\",\"N\",\"92\",\"N\",\"64\"\n");
  const auto acted = read_corpus("crema-d", folder.path());
  EXPECT_THAT(column_values(acted.clips, "voice_vote"),
              ElementsAre("neutral", "happiness:neutral", "", "", "", "sadness"));
  EXPECT_THAT(column_values(acted.clips, "multimodal_vote"), ElementsAre("anger", "happiness", "", "", "", "neutral"));
  EXPECT_EQ(acted.clips.clips[0].label, "anger");
  const auto heard = read_corpus("crema-d", folder.path(), {.perceived = "voice"});
  EXPECT_THAT(column_values(heard.clips, "label"), ElementsAre("neutral", "sadness"));
  EXPECT_THAT(column_values(heard.clips, "speaker"), ElementsAre("1001", "1002"));
  EXPECT_THAT(heard.summary, HasSubstr("left out 4 clips for which the voice vote has no single winner\n"));
  EXPECT_THAT(heard.summary, Not(HasSubstr("published")));
  EXPECT_THAT(column_values(read_corpus("crema-d", folder.path(), {.perceived = "face"}).clips, "label"),
              ElementsAre("anger", "happiness", "neutral"));
}

TEST(CremaD, ErrorsSayWhere) {
  const TestFolder folder;
  const auto message = [&] { return error_of([&] { read_corpus("crema-d", folder.path()); }); };
  EXPECT_THAT(message(), HasSubstr("holds no CREMA-D"));
  folder.write("AudioWAV/1001_DFA_ANG_XX.wav", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n");
  EXPECT_THAT(message(), HasSubstr("1001_DFA_ANG_XX.wav: not audio but a pointer of Git LFS: run 'git lfs pull'"));
  folder.write("AudioWAV/1001_DFA_ANG_XX.wav", "");
  EXPECT_THAT(read_corpus("crema-d", folder.path()).summary,
              HasSubstr("VideoDemographics.csv is not there: gender is unknown\n"));
  folder.write("VideoDemographics.csv", "ActorID,Age,Sex,Race,Ethnicity\n1002,21,Female,Asian,Hispanic\n");
  EXPECT_THAT(message(), HasSubstr("VideoDemographics.csv: there is no actor 1001"));
  folder.write("VideoDemographics.csv", "ActorID,Age\n1001,21\n");
  EXPECT_THAT(message(), HasSubstr("VideoDemographics.csv: there is no column 'Sex'"));
  folder.write("AudioWAV/1001_DFA_JOY_XX.wav", "");
  EXPECT_THAT(message(), HasSubstr("1001_DFA_JOY_XX.wav: the name holds the unknown code 'JOY'"));
}

}  // namespace
}  // namespace loralens
