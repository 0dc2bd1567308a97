// SPDX-License-Identifier: Apache-2.0
// Tests of the ESD reader on folders with ESD's layout, without audio; with the encodings and irregular lines that
// ESD's transcripts have.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "corpus/readers/readers.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// ASCII as UTF-16, little endian, with byte-order mark.
std::string utf16(const std::string& ascii) {
  std::string bytes = "\xff\xfe";
  for (const char c : ascii) bytes += {c, '\0'};
  return bytes;
}

void write_tree(const TestFolder& folder) {
  folder.write("0001/Neutral/train/0001_000021.wav", "");
  folder.write("0001/Angry/evaluation/0001_000351.wav", "");
  folder.write("0011/Happy/test/0011_000701.wav", "");
  folder.write("0012/Sad/0012_001051.wav", "");  // without partitions
  folder.write("0012/Surprise/0012_001401.wav", "");
  folder.write("0012/Surprise/0012_001402.wav", "");
  folder.write("0016/Neutral/0016_000001.wav", "");
  // GB 2312, labels in Chinese: 打远一看 neutral, 生气 angry.
  folder.write("0001/0001.txt",
               "0001_000021\t\xb4\xf2\xd4\xb6\xd2\xbb\xbf\xb4\t\xd6\xd0\xc1\xa2\r\n"
               "0001_000351\t\xb4\xf2\xd4\xb6\xd2\xbb\xbf\xb4\t\xc9\xfa\xc6\xf8\r\n");
  folder.write("0011/0011.txt", "0011_000701\tTom could almost hear it.\tHappy\n\n");
  folder.write("0012/0012.txt", utf16("0012_001051  Clear than clear water!  Sad \r\n"  // blanks for tabs
                                      "0012_001401\tThe fisherman and his wife.\r\n"    // no label
                                      "a line of another kind\r\n"
                                      "0012_001402\tSo much for her.\tHappy\r\n"));     // another label
  folder.write("0016/0016.txt", "0016_000001\tIt\x92s here.\tNeutral\n");  // Windows-1252
}

TEST(Esd, ReadsBothLayoutsAndEveryEncoding) {
  const TestFolder folder;
  write_tree(folder);
  folder.write("0011/._0011.txt", "");
  folder.write("ReadMe.txt", "0011: English Male");
  const auto corpus = read_corpus("esd", folder.path());
  const auto& clips = corpus.clips;
  EXPECT_THAT(column_values(clips, "label"),
              ElementsAre("angry", "neutral", "happy", "sad", "surprise", "surprise", "neutral"));
  EXPECT_EQ(clips.clips[0].id, "0001/Angry/evaluation/0001_000351.wav");
  EXPECT_THAT(column_values(clips, "partition"), ElementsAre("evaluation", "train", "test", "", "", "", ""));
  EXPECT_THAT(column_values(clips, "speaker"), ElementsAre("0001", "0001", "0011", "0012", "0012", "0012", "0016"));
  EXPECT_THAT(column_values(clips, "language"), ElementsAre("zh", "zh", "en", "en", "en", "en", "en"));
  EXPECT_THAT(column_values(clips, "gender"),
              ElementsAre("female", "female", "male", "male", "male", "male", "female"));
  EXPECT_THAT(column_values(clips, "text"),
              ElementsAre("打远一看", "打远一看", "Tom could almost hear it.", "Clear than clear water!",
                          "The fisherman and his wife.", "So much for her.", "It’s here."));
  EXPECT_EQ(clips.clips[0].corpus, "esd");
  EXPECT_THAT(corpus.summary, HasSubstr("1 clips have another label in the transcripts; their folder's was taken\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("1 lines of the transcripts end with no label\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("1 lines of the transcripts begin with no clip's name, first "));
  EXPECT_THAT(corpus.summary, HasSubstr("0012.txt: line 3\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("by label (found of published): angry 1 of 7000"));
  EXPECT_THAT(corpus.summary, HasSubstr("0001 2 of 1750, 0002 0 of 1750"));
  EXPECT_THAT(column_values(read_corpus("esd", folder.path(), {.labels = "seven"}).clips, "label"),
              ElementsAre("anger", "neutral", "happiness", "sadness", "surprise", "surprise", "neutral"));
}

TEST(Esd, AFolderAboveIsFineAndCopiesAreCounted) {
  const TestFolder folder;
  folder.write("Emotion Speech Dataset/0013/Sad/train/0013_001071.wav", "");
  folder.write("copy/0013/Sad/train/0013_001071.wav", "");
  folder.write("copy/0013/Sad/train/noise.wav", "");
  const auto corpus = read_corpus("esd", folder.path());
  ASSERT_EQ(corpus.clips.clips.size(), 1u);
  EXPECT_EQ(corpus.clips.clips[0].id, "Emotion Speech Dataset/0013/Sad/train/0013_001071.wav");
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 1 files whose name occurs twice, such as "));
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 1 audio files with other names\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("1 clips have no transcript\n"));
}

TEST(Esd, ErrorsSayWhere) {
  const TestFolder folder;
  const auto message = [&] { return error_of([&] { read_corpus("esd", folder.path()); }); };
  EXPECT_THAT(message(), HasSubstr("holds no ESD"));
  folder.write("0013/Bored/0013_001071.wav", "");
  EXPECT_THAT(message(), HasSubstr("0013_001071.wav: the folder is none of Angry, Happy, Neutral, Sad, Surprise"));
  folder.write("0013/0013.txt", "\xff\xfe\x61");
  EXPECT_THAT(message(), HasSubstr("0013.txt: the text is not valid UTF-16LE"));
}

}  // namespace
}  // namespace loralens
