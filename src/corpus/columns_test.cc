// SPDX-License-Identifier: Apache-2.0
#include "corpus/columns.h"

#include <gmock/gmock.h>

namespace loralens {
namespace {

TEST(Columns, NamesThatMeanTheSameAreFound) {
  const std::vector<std::string> header = {"Audio File", "EMOTION", "speaker_id", "Start-Time", "note"};
  EXPECT_EQ(column_like(header, "path"), "Audio File");
  EXPECT_EQ(column_like(header, "label"), "EMOTION");
  EXPECT_EQ(column_like(header, "speaker"), "speaker_id");
  EXPECT_EQ(column_like(header, "end"), "");
  EXPECT_EQ(column_like({"file", "path"}, "path"), "path");
  EXPECT_EQ(column_like({"file", "Path"}, "path"), "Path");
  EXPECT_EQ(column_like({"file", "wav"}, "path"), "");  // either may be meant
}

TEST(Columns, TheCommandNamesTheUsersColumns) {
  EXPECT_EQ(conversion_command({"Audio File", "emotion", "speaker"}, "a/my list.csv"),
            "loralens corpus table 'a/my list.csv' --path-column 'Audio File' --label-column emotion -o "
            "'a/my list-clips.csv'");
  EXPECT_EQ(conversion_command({"file", "x", "spk"}, "t.tsv"),
            "loralens corpus table t.tsv --path-column file --label-column COLUMN --speaker-column spk -o t-clips.csv");
}

TEST(Columns, OfSegmentsUnderOtherNamesAreTold) {
  const std::string note = note_on_segments({"path", "label", "speaker", "onset", "offset"}, "clips.csv");
  EXPECT_THAT(note, testing::HasSubstr("whole files are taken"));
  EXPECT_THAT(note, testing::HasSubstr("loralens corpus table clips.csv --start-column onset --end-column offset"));
  EXPECT_EQ(note_on_segments({"path", "label", "speaker", "start", "end"}, "clips.csv"), "");
  EXPECT_EQ(note_on_segments({"path", "label", "speaker", "onset"}, "clips.csv"), "");
}

}  // namespace
}  // namespace loralens
