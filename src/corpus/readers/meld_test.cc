// SPDX-License-Identifier: Apache-2.0
// Tests of the MELD reader on folders with MELD's layout, without audio.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "corpus/readers/readers.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string header =
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n";

std::string row(const std::string& text, const std::string& speaker, const std::string& emotion, int dialogue,
                int utterance) {
  return fmt::format("1,\"{}\",{},{},negative,{},{},8,21,\"00:16:16,059\",\"00:16:21,731\"\n", text, speaker, emotion,
                     dialogue, utterance);
}

TEST(Meld, ReadsThePartitions) {
  const TestFolder folder;
  folder.write("train/train_sent_emo.csv", header + row("You’re full, no?", "Joey", "joy", 0, 0) +
                                               row("Hm", "The Interviewer", "neutral", 0, 1) +
                                               row("Gone", "Ross", "anger", 125, 3));
  folder.write("dev_sent_emo.csv", "\xef\xbb\xbf" + header + row("What?", "Monica", "surprise", 0, 0) +
                                       row("Lost", "Ross", "sadness", 110, 7));
  folder.write("test_sent_emo.csv",
               header + row("Eek", "Phoebe", "fear", 0, 0) + row("Yuck", "Joey", "disgust", 125, 3));
  folder.write("train/train_splits/dia0_utt0.wav", "");
  folder.write("train/train_splits/dia0_utt1.flac", "");
  folder.write("dev_splits_complete/dia0_utt0.wav", "");
  folder.write("test/dia0_utt0.wav", "");
  const auto corpus = read_corpus("meld", folder.path());
  const auto& clips = corpus.clips;
  ASSERT_EQ(clips.clips.size(), 5u);
  EXPECT_EQ(clips.clips[0].id, "dev_splits_complete/dia0_utt0.wav");
  EXPECT_EQ(clips.clips[1].id, "test/dia0_utt0.wav");
  EXPECT_EQ(clips.clips[2].id, "test/dia125_utt3.wav");  // kept: only the clip of that name in train is damaged
  EXPECT_EQ(clips.clips[3].id, "train/train_splits/dia0_utt0.wav");
  EXPECT_EQ(clips.clips[4].id, "train/train_splits/dia0_utt1.flac");
  EXPECT_THAT(column_values(clips, "label"), ElementsAre("surprise", "fear", "disgust", "joy", "neutral"));
  EXPECT_THAT(column_values(clips, "speaker"), ElementsAre("Monica", "Phoebe", "Joey", "Joey", "The Interviewer"));
  EXPECT_THAT(column_values(clips, "partition"), ElementsAre("dev", "test", "test", "train", "train"));
  EXPECT_THAT(column_values(clips, "dialogue"), ElementsAre("dev-0", "test-0", "test-125", "train-0", "train-0"));
  EXPECT_EQ(column_values(clips, "sentiment")[0], "negative");
  EXPECT_EQ(clips.clips[3].text, "You’re full, no?");
  EXPECT_EQ(clips.clips[3].language, "en");
  EXPECT_EQ(clips.clips[3].corpus, "meld");
  EXPECT_THAT(corpus.summary, HasSubstr("left out dia125_utt3 of train, whose video is damaged in the corpus"));
  EXPECT_THAT(corpus.summary, HasSubstr("left out dia110_utt7 of dev, whose video is damaged in the corpus itself\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("1 of 5 audio files are missing: "));
  EXPECT_THAT(corpus.summary, HasSubstr("anger 0 of 1607, disgust 1 of 361"));
  const auto four = read_corpus("meld", folder.path(), {.labels = "four"});
  EXPECT_THAT(column_values(four.clips, "label"), ElementsAre("happiness", "neutral"));
  EXPECT_THAT(four.summary, HasSubstr("do not name them: disgust 1, fear 1, surprise 1\n"));
}

TEST(Meld, VideosAloneAreToldWithTheLoopThatConvertsThem) {
  const TestFolder folder;
  folder.write("train_sent_emo.csv", header + row("a", "Joey", "joy", 0, 0) + row("b", "Ross", "anger", 0, 1));
  folder.write("train_splits/dia0_utt0.mp4", "");
  folder.write("train_splits/dia0_utt1.mp4", "");
  folder.write("train_splits/dia0_utt1.wav", "");
  const auto corpus = read_corpus("meld", folder.path());
  EXPECT_EQ(corpus.clips.clips[0].id, "train_splits/dia0_utt0.mp4");
  EXPECT_EQ(corpus.clips.clips[1].id, "train_splits/dia0_utt1.wav");
  EXPECT_THAT(corpus.summary, HasSubstr("1 clips are there as video (.mp4) alone"));
  EXPECT_THAT(corpus.summary, HasSubstr("for f in " + (folder.path() / "train_splits").string() +
                                        "/*.mp4; do ffmpeg -nostdin -i \"$f\" -vn \"${f%.mp4}.wav\"; done"));
}

TEST(Meld, ErrorsSayWhere) {
  const TestFolder folder;
  const auto message = [&] { return error_of([&] { read_corpus("meld", folder.path()); }); };
  EXPECT_THAT(message(), HasSubstr("holds no MELD: give the folder with train_sent_emo.csv"));
  EXPECT_THAT(error_of([&] { read_corpus("meld", folder.path() / "none"); }), HasSubstr("is no folder"));
  folder.write("train_sent_emo.csv", "Utterance,Speaker\na,b\n");
  EXPECT_THAT(message(), HasSubstr("train_sent_emo.csv: there is no column 'Emotion'"));
  folder.write("train_sent_emo.csv", header + "1,a,Joey,joy,positive,x,1,8,21,,\n");
  EXPECT_THAT(message(), HasSubstr("train_sent_emo.csv: row 2: Dialogue_ID 'x'"));
  folder.write("train_sent_emo.csv", header + "1,a,Joey,,positive,0,1,8,21,,\n");
  EXPECT_THAT(message(), HasSubstr("train_sent_emo.csv: row 2: the emotion is empty"));
  folder.write("train_sent_emo.csv", header + row("a", "Joey", "joy", 0, 1) + row("b", "Joey", "joy", 0, 1));
  EXPECT_THAT(message(), HasSubstr("the clip 'train_splits/dia0_utt1.wav' is labelled twice"));
  folder.write("train_sent_emo.csv", header + row("a", "Joey", "joy", 0, 1));
  EXPECT_THAT(read_corpus("meld", folder.path()).summary, HasSubstr("dev_sent_emo.csv is not there\n"));
}

}  // namespace
}  // namespace loralens
