// SPDX-License-Identifier: Apache-2.0
// Tests of the MSP-IMPROV reader on folders with MSP-IMPROV's layout, without audio.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "corpus/readers/readers.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A turn's summary line in the distributed form, and the raters' lines after it.
std::string entry(const std::string& turn, const std::string& letter, const std::string& dominance = "3.0") {
  return fmt::format(
      "UTD-IMPROV-{}.avi; {}; A:2.600000; V:3.400000; D:{} ; N:3.800000;\n"
      "ZX-12_3-p1; Happy; Happy, Excited; A:2.000000; V:4.000000; D:3.000000; N:4.000000;\n"
      "ZX-12_4-p1; Neutral; Neutral; A:3.000000; V:3.000000; D:NaN; N:4.000000;\n\n",
      turn, letter, dominance);
}

TEST(MspImprov, ReadsLabelsAndNames) {
  const TestFolder folder;
  folder.write("Evalution.txt", entry("S01A-F01-P-FM01", "H") + entry("S01A-M01-R-MM02", "A", "NaN") +
                                    entry("S08S-F05-S-FM02", "X") + entry("S20N-M06-T-MF11", "N") +
                                    entry("S02H-F01-S-FF03", "S") + entry("S02H-F01-S-FF04", "O"));
  folder.write("Audio/session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav", "");
  folder.write("Audio/session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM99.wav", "");
  folder.write("session6/S20N/T/MSP-IMPROV-S20N-M06-T-MF11.wav", "");  // without the folder Audio
  const auto corpus = read_corpus("msp-improv", folder.path());
  const auto& clips = corpus.clips;
  ASSERT_EQ(clips.clips.size(), 4u);
  EXPECT_EQ(clips.clips[0].id, "Audio/session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav");
  EXPECT_EQ(clips.clips[0].path, folder.path() / clips.clips[0].id);
  EXPECT_EQ(clips.clips[1].id, "Audio/session1/S01A/R/MSP-IMPROV-S01A-M01-R-MM02.wav");
  EXPECT_EQ(clips.clips[3].id, "session6/S20N/T/MSP-IMPROV-S20N-M06-T-MF11.wav");
  EXPECT_THAT(column_values(clips, "label"), ElementsAre("happiness", "anger", "sadness", "neutral"));
  EXPECT_THAT(column_values(clips, "speaker"), ElementsAre("F01", "M01", "F01", "M06"));
  EXPECT_THAT(column_values(clips, "session"), ElementsAre("1", "1", "1", "6"));
  EXPECT_THAT(column_values(clips, "gender"), ElementsAre("female", "male", "female", "male"));
  EXPECT_THAT(column_values(clips, "scenario"),
              ElementsAre("natural", "target-read", "other-improvised", "target-improvised"));
  EXPECT_THAT(column_values(clips, "sentence"), ElementsAre("S01", "S01", "S02", "S20"));
  EXPECT_THAT(column_values(clips, "target"), ElementsAre("anger", "anger", "happiness", "neutral"));
  EXPECT_EQ(clips.clips[0].corpus, "msp-improv");
  EXPECT_EQ(clips.clips[0].language, "en");
  EXPECT_THAT(corpus.summary, HasSubstr("do not name them: no-agreement 1, other 1\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 1 audio files without a label\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("2 of 4 audio files are missing: "));
  EXPECT_THAT(corpus.summary, HasSubstr("anger 1 of 792, happiness 1 of 2644, neutral 1 of 3477, sadness 1 of 885\n"));
  EXPECT_EQ(read_corpus("msp-improv", folder.path(), {.labels = "*"}).clips.clips.size(), 6u);
}

TEST(MspImprov, ErrorsSayWhere) {
  const TestFolder folder;
  const auto message = [&](const std::string& labels) {
    folder.write("Evaluation.txt", labels);
    return error_of([&] { read_corpus("msp-improv", folder.path()); });
  };
  EXPECT_THAT(error_of([&] { read_corpus("msp-improv", folder.path()); }), HasSubstr("holds no labels of MSP-IMPROV"));
  EXPECT_THAT(message("nothing\n"), HasSubstr("Evaluation.txt holds no line that begins with UTD-IMPROV-"));
  EXPECT_THAT(message("\nUTD-IMPROV-S01A-F01-P-FM01.avi\n"),
              HasSubstr("Evaluation.txt: line 2 is no summary of a turn"));
  EXPECT_THAT(message(entry("S01A-F07-P-FM01", "H")), HasSubstr("line 1: 'S01A-F07-P-FM01' is no name of a turn"));
  EXPECT_THAT(message(entry("S01A-F01-P-FM01", "Q")), HasSubstr("line 1: 'Q' is no label of MSP-IMPROV"));
  EXPECT_THAT(message(entry("S01A-F01-Z-FM01", "H")), HasSubstr("line 1: 'Z' is no scenario of MSP-IMPROV"));
  EXPECT_THAT(message(entry("S01A-F01-P-FM01", "H") + entry("S01A-F01-P-FM01", "N")),
              HasSubstr("line 5: the turn 'S01A-F01-P-FM01' stands in line 1 already"));
}

}  // namespace
}  // namespace loralens
