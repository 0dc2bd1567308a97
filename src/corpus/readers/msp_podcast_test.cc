// SPDX-License-Identifier: Apache-2.0
// Tests of the MSP-Podcast reader on a folder of its layout.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "corpus/readers/readers.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string first_line = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n";

TEST(MspPodcast, ReadsTheConsensus) {
  const TestFolder folder;
  folder.write("Labels/labels_consensus.csv", first_line + "MSP-PODCAST_0001_0008.wav,N,4.2,5.0,4.4,127,Male,Train\n" +
                                                  "MSP-PODCAST_0001_0009.wav,A,5,2,5,Unknown,Unknown,Development\n" +
                                                  "MSP-PODCAST_0002_0001.wav,X,5,2,5,3,Female,Test1\n" +
                                                  "MSP-PODCAST_0002_0002.wav,C,5,2,5,3,Female,Test2\n");
  folder.write("Audios/MSP-PODCAST_0001_0008.wav", "");
  const auto corpus = read_corpus("msp-podcast", folder.path(), {.labels = "*"});
  EXPECT_EQ(corpus.clips.clips[0].id, "Audios/MSP-PODCAST_0001_0008.wav");
  EXPECT_THAT(column_values(corpus.clips, "label"), ElementsAre("neutral", "anger", "no-agreement", "contempt"));
  EXPECT_THAT(column_values(corpus.clips, "speaker"), ElementsAre("127", "", "3", "3"));
  EXPECT_THAT(column_values(corpus.clips, "gender"), ElementsAre("male", "", "female", "female"));
  EXPECT_THAT(column_values(corpus.clips, "partition"), ElementsAre("train", "development", "test1", "test2"));
  EXPECT_EQ(column_values(corpus.clips, "activation")[0], "4.2");
  EXPECT_THAT(corpus.summary, HasSubstr("3 of 4 audio files are missing"));
  EXPECT_THAT(column_values(read_corpus("msp-podcast", folder.path()).clips, "label"), ElementsAre("neutral", "anger"));
}

TEST(MspPodcast, ErrorsSayWhere) {
  const TestFolder folder;
  const auto message = [&](const std::string& rows) {
    folder.write("Labels/labels_consensus.csv", rows);
    return error_of([&] { read_corpus("msp-podcast", folder.path()); });
  };
  EXPECT_THAT(error_of([&] { read_corpus("msp-podcast", folder.path()); }), HasSubstr("no labels of MSP-Podcast"));
  EXPECT_THAT(message("FileName,EmoClass\na.wav,N\n"), HasSubstr("there is no column 'SpkrID'"));
  EXPECT_THAT(message(first_line + "a.wav,Q,1,2,3,4,Male,Train\n"), HasSubstr("row 2: 'Q' is no EmoClass"));
  EXPECT_THAT(message(first_line + "a.wav,N,1,2,3,4,Male,Later\n"), HasSubstr("'Later' is no Split_Set"));
  EXPECT_THAT(message(first_line + "../a.wav,N,1,2,3,4,Male,Train\n"), HasSubstr("'../a.wav' is no file name"));
}

}  // namespace
}  // namespace loralens
