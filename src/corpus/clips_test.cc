// SPDX-License-Identifier: Apache-2.0
#include "corpus/clips.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "base/test_folder.h"
#include "corpus/test_audio.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Clips parse(std::string_view text) { return clips_of_table(parse_csv(text, "t.csv"), "t.csv", "/data"); }

TEST(Clips, ReadEveryColumn) {
  const auto clips = parse(
      "path,label,speaker,session,text,start,end,corpus,language,gender,intensity,take,room\n"
      "a/x.wav,sad,s1,2,\"Oh, no\",1.50,3.0,c,en,female,strong,7,hall\n"
      "/else/y.wav,neu,,,,,,,,,,,\n");
  ASSERT_EQ(clips.clips.size(), 2u);
  const auto& first = clips.clips[0];
  EXPECT_EQ(first.id, "a/x.wav#1.5-3");
  EXPECT_EQ(first.path, "/data/a/x.wav");
  EXPECT_EQ(first.label, "sad");
  EXPECT_EQ(first.speaker, "s1");
  EXPECT_EQ(first.session, "2");
  EXPECT_EQ(first.text, "Oh, no");
  EXPECT_EQ(first.start, 1.5);
  EXPECT_EQ(first.end, 3);
  EXPECT_EQ(first.corpus, "c");
  EXPECT_EQ(first.language, "en");
  EXPECT_EQ(first.gender, "female");
  EXPECT_EQ(first.intensity, "strong");
  EXPECT_THAT(first.extra, ElementsAre("7", "hall"));
  EXPECT_THAT(clips.extra_columns, ElementsAre("take", "room"));
  EXPECT_EQ(clips.clips[1].id, "/else/y.wav");
  EXPECT_EQ(clips.clips[1].path, "/else/y.wav");
  EXPECT_FALSE(clips.clips[1].is_segment());
}

TEST(Clips, IdsOfSegmentsAreShortestDecimals) {
  const auto clips = parse("path,label,speaker,start,end\na,x,s,0,0.1\na,x,s,1e-5,2e3\na,x,s,12.340,12.350\na,x,s,,\n");
  EXPECT_EQ(clips.clips[0].id, "a#0-0.1");
  EXPECT_EQ(clips.clips[1].id, "a#0.00001-2000");
  EXPECT_EQ(clips.clips[2].id, "a#12.34-12.35");
  EXPECT_EQ(clips.clips[3].id, "a");
}

TEST(Clips, BadTablesSayWhichRow) {
  const auto message = [](std::string_view text) { return error_of([&] { parse(text); }); };
  EXPECT_THAT(message("path,label\na,b\n"), HasSubstr("t.csv: there is no column 'speaker'"));
  EXPECT_THAT(message("path,label,speaker\n"), HasSubstr("there are no clips"));
  EXPECT_THAT(message("path,label,speaker\na,x,s\n,x,s\n"), HasSubstr("row 3: the path is empty"));
  EXPECT_THAT(message("path,label,speaker\na,,s\n"), HasSubstr("row 2: the label is empty"));
  EXPECT_THAT(message("path,label,speaker\na,x,s\nb,x,s\na,y,s\n"),
              HasSubstr("row 4: the clip 'a' is in row 2 already"));
  EXPECT_THAT(message("path,label,speaker\nb/../a,x,s\n./a,y,s\n"),
              HasSubstr("row 3: the clip './a' is in row 2 already"));
  EXPECT_THAT(message("path,label,speaker,start\na,x,s,1\n"), HasSubstr("the columns start and end stand together"));
  const std::string header = "path,label,speaker,start,end\n";
  EXPECT_THAT(message(header + "a,x,s,1,\n"), HasSubstr("row 2: start and end stand together"));
  EXPECT_THAT(message(header + "a,x,s,1,2s\n"), HasSubstr("row 2: end '2s' is no number"));
  EXPECT_THAT(message(header + "a,x,s,nan,2\n"), HasSubstr("row 2: start 'nan' is no number"));
  EXPECT_THAT(message(header + "a,x,s,-1,2\n"), HasSubstr("row 2: start -1 is before"));
  EXPECT_THAT(message(header + "a,x,s,2,2\n"), HasSubstr("row 2: end 2 is not after start 2"));
}

TEST(Clips, AreReadAsWritten) {
  const TestFolder folder;
  auto clips = parse("path,label,speaker,text,start,end,take\na.wav,x,s,\"a \"\"b\"\"\",0.25,1,7\nb.wav,y,t,,,,8\n");
  clips.clips[0].path = folder.path() / "audio/a.wav";
  clips.clips[1].path = folder.path() / "other/../b.wav";
  std::filesystem::create_directories(folder.path() / "tables");
  write_clips(folder.path() / "tables/clips.csv", clips);
  EXPECT_EQ(read_file(folder.path() / "tables/clips.csv"),
            "path,label,speaker,text,start,end,take\n"
            "../audio/a.wav,x,s,\"a \"\"b\"\"\",0.25,1,7\n"
            "../b.wav,y,t,,,,8\n");
  const auto again = read_clips(folder.path() / "tables/clips.csv");
  EXPECT_EQ(again.clips[0].id, "../audio/a.wav#0.25-1");
  EXPECT_EQ(again.clips[0].path.lexically_normal(), folder.path() / "audio/a.wav");
  EXPECT_EQ(again.clips[0].text, "a \"b\"");
  EXPECT_THAT(again.extra_columns, ElementsAre("take"));
}

TEST(Clips, FilesInAnotherTreeKeepTheirWholePath) {
  const TestFolder folder;
  auto clips = parse("path,label,speaker\na.wav,x,s\n");
  clips.clips[0].path = "/elsewhere/a.wav";
  write_clips(folder.path() / "clips.csv", clips);
  EXPECT_EQ(read_file(folder.path() / "clips.csv"), "path,label,speaker\n/elsewhere/a.wav,x,s\n");
}

TEST(Clips, TablesOfSpreadsheetsAreReadAndRowsKeepTheirNumbers) {
  const TestFolder folder;
  const auto clips =
      read_clips(folder.write("t.csv", "sep=;\r\npath;label;speaker;;\r\n;;;;\r\na;x;s;;\r\nb;y;t;;\r\n"));
  ASSERT_EQ(clips.clips.size(), 2u);
  EXPECT_EQ(clips.clips[1].label, "y");
  EXPECT_EQ(clips.clips[1].row, 5u);
  EXPECT_TRUE(clips.extra_columns.empty());
  EXPECT_THAT(error_of([&] { read_clips(folder.write("t.csv", "path,label,speaker\n,,\na,x,s\na,x,s\n")); }),
              HasSubstr("row 4: the clip 'a' is in row 3 already"));
}

TEST(Clips, AnotherHeaderIsListedWithTheCommandThatConvertsIt) {
  const auto message = [](const char* text) { return error_of([&] { parse(text); }); };
  EXPECT_EQ(
      message("file,emotion,speaker_id\n1,2,3\n"),
      "t.csv: there is no column 'path' (its columns: file emotion speaker_id): a table of clips begins with "
      "path,label,speaker; to convert this one, run: loralens corpus table t.csv --path-column file --label-column "
      "emotion --speaker-column speaker_id -o t-clips.csv");
  EXPECT_THAT(message("Path,Label,speaker\n1,2,3\n"),
              HasSubstr("rename it or run: loralens corpus table t.csv --path-column Path --label-column Label -o"));
}

TEST(Clips, MissingFilesAreCountedAndNamed) {
  const TestFolder folder;
  folder.write("a.wav", "");
  auto clips = clips_of_table(parse_csv("path,label,speaker\na.wav,x,s\n", "t"), "t", folder.path());
  EXPECT_EQ(check_files(clips), "");
  for (const char* name : {"b", "c", "d", "e"}) {
    clips.clips.push_back(clips.clips[0]);
    clips.clips.back().path = folder.path() / name;
  }
  const auto message = check_files(clips);
  EXPECT_THAT(message, testing::StartsWith("4 of 5 audio files are missing: "));
  EXPECT_THAT(message, testing::EndsWith("/b, " + (folder.path() / "c").string() + ", " +
                                         (folder.path() / "d").string() + ", " + (folder.path() / "e").string()));
  for (int i = 0; i < 30; ++i) {
    clips.clips.push_back(clips.clips[0]);
    clips.clips.back().path = folder.path() / fmt::format("f{}", i);
  }
  EXPECT_THAT(check_files(clips), testing::EndsWith(" and 14 more"));
  clips.clips = {clips.clips[0]};
  clips.clips[0].path = folder.path() / "wav\\a.wav";
  EXPECT_THAT(check_files(clips), HasSubstr("have backslashes, as on Windows: write / instead"));
}

TEST(Clips, SegmentsBeyondTheEndAreCountedAndTheFirstNamed) {
  const TestFolder folder;
  folder.write("a.wav", silent_wav(2));
  folder.write("bad.wav", "no audio");
  auto clips = clips_of_table(parse_csv("path,label,speaker,start,end\n"
                                        "a.wav,x,s,0,2\na.wav,x,s,1,2.00003\n"  // 2.00003 s is sample 32000.48
                                        "a.wav,x,s,,\nbad.wav,x,s,0,9\ngone.wav,x,s,0,9\n",
                                        "t"),
                              "t", folder.path());
  EXPECT_EQ(check_segments(clips), "");
  clips.clips[0].end = 2.0001;
  clips.clips[1].start = 5;
  clips.clips[1].end = 6;
  EXPECT_EQ(check_segments(clips),
            fmt::format("2 of 4 segments are not inside their file: {}: the segment from 0 s to 2.0001 s is not inside "
                        "the file, which lasts 2.000000 s: correct start and end",
                        (folder.path() / "a.wav").string()));
}

TEST(Clips, AnIdIsAFileOrASegment) {
  const TestFolder folder;
  const auto odd = folder.write("a#1-2", "").string();
  const auto parts = [](const std::string& id) {
    const Clip clip = clip_of_id(id);
    EXPECT_EQ(clip.id, id);
    return std::tuple(clip.path.string(), clip.start, clip.end);
  };
  EXPECT_EQ(parts("b/a.wav"), std::tuple("b/a.wav", 0., -1.));
  EXPECT_EQ(parts("b/a.wav#1.25-30"), std::tuple("b/a.wav", 1.25, 30.));
  EXPECT_EQ(parts("a#3.wav#0-0.5"), std::tuple("a#3.wav", 0., 0.5));
  EXPECT_EQ(parts(odd), std::tuple(odd, 0., -1.));
  for (const char* whole : {"a.wav#", "a.wav#1", "a.wav#1-", "a.wav#-2", "a.wav#1-2s", "a.wav#1e2-3", "a.wav#.5-1"})
    EXPECT_EQ(parts(whole), std::tuple(whole, 0., -1.));
}

TEST(Clips, ColumnsAndClassesByName) {
  const auto clips = parse("path,label,speaker,take\na,sad,s,1\nb,angry,t,2\nc,sad,s,2\n");
  EXPECT_THAT(classes_of(clips), ElementsAre("angry", "sad"));
  EXPECT_THAT(class_numbers(clips, {"sad", "happy", "angry"}), ElementsAre(0, 2, 0));
  EXPECT_THAT(error_of([&] { class_numbers(clips, {"sad"}); }), HasSubstr("b: the label 'angry' is none"));
  EXPECT_THAT(column_values(clips, "take"), ElementsAre("1", "2", "2"));
  EXPECT_THAT(counts_by(clips, "speaker"), ElementsAre(testing::Pair("s", 2), testing::Pair("t", 1)));
  EXPECT_TRUE(has_column(clips, "take"));
  EXPECT_FALSE(has_column(clips, "room"));
  EXPECT_THAT(error_of([&] { column_values(clips, "room"); }), HasSubstr("no column 'room'"));
}

}  // namespace
}  // namespace loralens
