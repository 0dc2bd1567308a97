// SPDX-License-Identifier: Apache-2.0
// Tests of the readers of TESS and SAVEE on folders of their layout, without audio.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "corpus/readers/readers.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Tess, ReadsNamesAndPassesOverTheSecondTree) {
  const TestFolder folder;
  for (const char* name :
       {"OAF_Fear/OAF_back_fear.wav", "OAF_neutral/OA_bite_neutral.wav", "YAF_pleasant_surprised/YAF_youth_ps.wav",
        "set/YAF_pleasant_surprised/YAF_youth_ps.wav", "OAF_Fear/notes.wav"})
    folder.write(name, "");
  const auto corpus = read_corpus("tess", folder.path());
  EXPECT_THAT(column_values(corpus.clips, "label"), ElementsAre("fear", "neutral", "surprise"));
  EXPECT_THAT(column_values(corpus.clips, "speaker"), ElementsAre("OAF", "OAF", "YAF"));
  EXPECT_THAT(column_values(corpus.clips, "gender"), ElementsAre("female", "female", "female"));
  EXPECT_EQ(corpus.clips.clips[2].text, "Say the word youth.");
  EXPECT_EQ(corpus.clips.clips[2].corpus, "tess");
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 1 files whose name occurs twice, such as " +
                                        (folder.path() / "set/YAF_pleasant_surprised/YAF_youth_ps.wav").string()));
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 1 audio files with other names"));
  EXPECT_THAT(corpus.summary, HasSubstr("fear 1 of 400"));
  const TestFolder other;
  EXPECT_THAT(error_of([&] { read_corpus("tess", other.path()); }), HasSubstr("holds no TESS"));
}

TEST(Savee, ReadsBothLayouts) {
  const TestFolder folder;
  for (const char* name :
       {"AudioData/DC/a01.wav", "AudioData/KL/sa15.wav", "AudioData/JE/su02.wav", "AudioData/Info.txt"})
    folder.write(name, "");
  const auto corpus = read_corpus("savee", folder.path());
  EXPECT_THAT(column_values(corpus.clips, "label"), ElementsAre("anger", "surprise", "sadness"));
  EXPECT_THAT(column_values(corpus.clips, "speaker"), ElementsAre("DC", "JE", "KL"));
  EXPECT_THAT(column_values(corpus.clips, "sentence"), ElementsAre("a01", "su02", "sa15"));
  EXPECT_EQ(corpus.clips.clips[0].gender, "male");
  EXPECT_THAT(corpus.summary, HasSubstr("anger 1 of 60"));
  const TestFolder flat;
  flat.write("ALL/JK_n30.wav", "");
  const auto one = read_corpus("savee", flat.path());
  EXPECT_THAT(column_values(one.clips, "speaker"), ElementsAre("JK"));
  EXPECT_THAT(column_values(one.clips, "label"), ElementsAre("neutral"));
  const TestFolder other;
  EXPECT_THAT(error_of([&] { read_corpus("savee", other.path()); }), HasSubstr("holds no SAVEE"));
}

}  // namespace
}  // namespace loralens
