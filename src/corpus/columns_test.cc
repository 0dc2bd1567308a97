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

TEST(Columns, OfSegmentsMayNameUnitsAndDurations) {
  const auto note = [](std::vector<std::string> header) {
    header.insert(header.begin(), {"path", "label", "speaker"});
    return note_on_segments(header, "t.csv");
  };
  EXPECT_THAT(note({"offset", "duration"}),
              testing::AllOf(testing::HasSubstr("the start and the duration of segments, in seconds"),
                             testing::HasSubstr("--start-column offset --end-column duration")));
  for (const auto& [start, end] : {std::pair{"start_s", "end_s"},
                                   {"start_sec", "end_sec"},
                                   {"Start (s)", "End (s)"},
                                   {"xmin", "xmax"},
                                   {"begin", "stop"},
                                   {"from", "to"},
                                   {"begins", "ends"}})
    EXPECT_THAT(note({start, end}), testing::HasSubstr("the start and the end of segments, in seconds")) << start;
  EXPECT_THAT(note({"start_ms", "end_ms"}), testing::HasSubstr("in milliseconds, run: loralens corpus table"));
  EXPECT_THAT(note({"start_sample", "end_sample"}), testing::HasSubstr("divide them by the sample rate"));
  EXPECT_THAT(note({"onset", "begin_time", "stop"}), testing::HasSubstr("columns onset, begin_time, stop are kept"));
  EXPECT_EQ(note({"duration"}), "");
  EXPECT_EQ(note({"offset"}), "");
  EXPECT_EQ(time_column("end_ms").seconds, 1e-3);
  EXPECT_FALSE(time_column("end_ms").duration);
  EXPECT_TRUE(time_column("duration_ms").duration);
  EXPECT_EQ(time_column("anything").seconds, 1);
}

}  // namespace
}  // namespace loralens
