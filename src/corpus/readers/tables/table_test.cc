// SPDX-License-Identifier: Apache-2.0
// Tests of the reader of users' own tables.
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

TEST(TableReader, ManySpeakersAreSummedUp) {
  const TestFolder folder;
  std::string text = "path,label,speaker\nlast.wav,x,s0\n";
  for (int i = 0; i < 100; ++i) text += fmt::format("{}.wav,x,s{}\n", i, i);
  const auto corpus = read_corpus("table", folder.write("list.csv", text));
  EXPECT_THAT(corpus.summary, HasSubstr("by speaker: 100 of them, with 1 to 2 clips\n"));
}

TEST(TableReader, TakesColumnsByAnyName) {
  const TestFolder folder;
  const auto path = folder.write("mine/list.tsv", "file\temotion\twho\ttake\na.wav\thappy\tx\t1\nb.wav\tcross\ty\t2\n");
  ReaderOptions options{.labels = "happy=happiness,*"};
  options.path_column = "file";
  options.label_column = "emotion";
  options.speaker_column = "who";
  const auto corpus = read_corpus("table", path, options);
  EXPECT_THAT(column_values(corpus.clips, "label"), ElementsAre("happiness", "cross"));
  EXPECT_THAT(column_values(corpus.clips, "speaker"), ElementsAre("x", "y"));
  EXPECT_THAT(corpus.clips.extra_columns, ElementsAre("take"));
  EXPECT_EQ(corpus.clips.clips[0].path, folder.path() / "mine/a.wav");
  EXPECT_THAT(corpus.summary, HasSubstr("2 of 2 audio files are missing"));
  EXPECT_THAT(corpus.summary, Not(HasSubstr("published")));
  options.speaker_column = "speaker";
  const auto unknown = read_corpus("table", path, options);
  EXPECT_THAT(column_values(unknown.clips, "speaker"), ElementsAre("", ""));
  EXPECT_THAT(unknown.summary, HasSubstr("no speakers: --speaker-column names their column, or --speaker-pattern"));
  options.speaker_pattern = "([ab])\\.wav";
  EXPECT_THAT(column_values(read_corpus("table", path, options).clips, "speaker"), ElementsAre("a", "b"));
  options.speaker_pattern = "(c)\\.wav";
  EXPECT_THAT(error_of([&] { read_corpus("table", path, options); }),
              HasSubstr("row 2: the speaker pattern finds nothing in 'a.wav'"));
  options.speaker_pattern.clear();
  options.label_column = "feeling";
  EXPECT_THAT(error_of([&] { read_corpus("table", path, options); }),
              HasSubstr("no column 'feeling' for the label; there are: path emotion who take; to name the right ones"));
  options.label_column = "emotion";
  options.speaker_column = "file";
  EXPECT_THAT(error_of([&] { read_corpus("table", path, options); }),
              HasSubstr("the column 'file' cannot be both path and speaker"));
  options.speaker_column = "who";
  options.text_column = "words";
  EXPECT_THAT(error_of([&] { read_corpus("table", path, options); }), HasSubstr("no column 'words' for the text"));
}

TEST(TableReader, OtherCaseIsTakenAndTold) {
  const TestFolder folder;
  folder.write("a.wav", "");  // else a folder beside this one that has such a file would be taken
  const auto corpus = read_corpus("table", folder.write("t.csv", "Path,LABEL,Speaker,Gender\na.wav,x,s,female\n"));
  EXPECT_THAT(column_values(corpus.clips, "gender"), ElementsAre("female"));
  EXPECT_THAT(corpus.summary, HasSubstr("the column 'Gender' is taken as gender\n"));
}

TEST(TableReader, MapsEveryColumn) {
  const TestFolder folder;
  const auto path = folder.write("t.csv",
                                 "wav,emo,spk,ses,words,from,to,db,lang,sex,level,take\n"
                                 "a.wav,sad,s1,2,Oh no,1.5,3,mine,en,female,strong,7\n");
  folder.write("a.wav", "");  // else a folder beside this one that has such a file would be taken
  ReaderOptions options;
  options.path_column = "wav";
  options.label_column = "emo";
  options.speaker_column = "spk";
  options.session_column = "ses";
  options.text_column = "words";
  options.start_column = "from";
  options.end_column = "to";
  options.corpus_column = "db";
  options.language_column = "lang";
  options.gender_column = "sex";
  options.intensity_column = "level";
  const auto clips = read_corpus("table", path, options).clips;
  const auto& clip = clips.clips.at(0);
  EXPECT_EQ(clip.id, "a.wav#1.5-3");
  EXPECT_EQ(clip.path, folder.path() / "a.wav");
  EXPECT_EQ(clip.start, 1.5);
  EXPECT_EQ(clip.end, 3);
  for (const auto& [column, value] : std::map<std::string, std::string>{{"label", "sad"},
                                                                        {"speaker", "s1"},
                                                                        {"session", "2"},
                                                                        {"text", "Oh no"},
                                                                        {"corpus", "mine"},
                                                                        {"language", "en"},
                                                                        {"gender", "female"},
                                                                        {"intensity", "strong"},
                                                                        {"take", "7"}})
    EXPECT_THAT(column_values(clips, column), ElementsAre(value)) << column;
}

TEST(TableReader, JsonLinesAreRows) {
  const TestFolder folder;
  const auto read = [&](const std::string& text) {
    ReaderOptions options;
    options.path_column = "wav";
    options.label_column = "emo";
    options.speaker_column = "spk";
    return read_corpus("table", folder.write("t.jsonl", text), options).clips;
  };
  const auto clips = read(
      "{\"wav\": \"b.wav\", \"emo\": \"sad\", \"spk\": 7, \"start\": 1.25, \"end\": 2}\r\n\n"
      "{\"spk\": \"x\", \"emo\": \"ang\", \"wav\": \"a.wav\", \"text\": null, \"read\": true,"
      " \"note\": \"\\u00e9, \\\"\"}\n");
  ASSERT_EQ(clips.clips.size(), 2u);
  EXPECT_EQ(clips.clips[0].id, "a.wav");
  EXPECT_EQ(clips.clips[1].id, "b.wav#1.25-2");
  EXPECT_THAT(column_values(clips, "speaker"), ElementsAre("x", "7"));
  EXPECT_THAT(column_values(clips, "read"), ElementsAre("true", ""));
  EXPECT_THAT(column_values(clips, "note"), ElementsAre("é, \"", ""));
  EXPECT_THAT(error_of([&] { read("{\"wav\": \"b.wav\", \"emo\": \"sad\", \"spk\": 7}\n{\"wav\": "); }),
              HasSubstr("t.jsonl: line 2: no valid JSON in column 8"));
  EXPECT_THAT(error_of([&] { read("[1]\n"); }), HasSubstr("t.jsonl: object 1 is no JSON object"));
  EXPECT_THAT(error_of([&] { read("{\"wav\": {\"path\": \"b.wav\"}}\n"); }),
              HasSubstr("t.jsonl: the column 'wav' for the path holds lists or objects"));
  EXPECT_THAT(error_of([&] { read("{\"wav\": \"b.wav\", \"emo\": \"sad\"}\n"); }),
              HasSubstr("no column 'spk' for the speaker"));
}

TEST(TableReader, JsonLinesHaveALimitOfCells) {
  const TestFolder folder;
  std::string text, keys = "{\"path\": \"a\", \"label\": \"x\"";
  for (int i = 0; i < 900; ++i) keys += fmt::format(", \"k{}\": 1", i);
  text = keys + "}\n";
  for (int i = 0; i < 30000; ++i) text += "{}\n";
  EXPECT_THAT(error_of([&] { read_corpus("table", folder.write("t.jsonl", text)); }), HasSubstr("cells, the limit"));
}

TEST(TableReader, SpellsOutTheLettersOfMspPodcast) {
  const TestFolder folder;
  const auto path = folder.write("t.csv", "FileName,EmoClass,Split_Set\na.wav,A,Train\nb.wav,S,Test1\n");
  ReaderOptions options{.labels = "four"};
  options.path_column = "FileName";
  options.label_column = "EmoClass";
  const auto corpus = read_corpus("table", path, options);
  EXPECT_THAT(column_values(corpus.clips, "label"), ElementsAre("anger", "sadness"));
  EXPECT_THAT(corpus.summary, HasSubstr("letters of MSP-Podcast's labels are spelled out"));
}

TEST(TableReader, FindsTheFolderOfTheAudio) {
  const TestFolder folder;
  const std::string text = "path,label,speaker\na.wav,x,s\nb.wav,y,t\n";
  const auto path = folder.write("labels/t.csv", text);
  EXPECT_THAT(read_corpus("table", path).summary, HasSubstr("--audio DIR says to which folder the paths are relative"));
  folder.write("Audios/a.wav", silent_wav(1));
  folder.write("Audios/b.wav", silent_wav(1));
  const auto found = read_corpus("table", path);
  EXPECT_EQ(found.clips.clips[0].path, folder.path() / "Audios/a.wav");
  EXPECT_THAT(found.summary, HasSubstr("the table's paths are relative to " + (folder.path() / "Audios").string()));
  folder.write("other/a.wav", silent_wav(1));
  folder.write("other/b.wav", silent_wav(1));
  EXPECT_THAT(error_of([&] { read_corpus("table", path); }), HasSubstr("name the right one with --audio"));
  const auto given = read_corpus("table", path, {.audio = (folder.path() / "other").string()});
  EXPECT_EQ(given.clips.clips[1].path, folder.path() / "other/b.wav");
  EXPECT_THAT(error_of([&] { read_corpus("table", path, {.audio = "none"}); }), HasSubstr("--audio none: there is no"));
  folder.write("labels/a.wav", silent_wav(1));  // a file in the table's own folder
  EXPECT_EQ(read_corpus("table", path).clips.clips[1].path, folder.path() / "labels/b.wav");
}

TEST(TableReader, TimesInOtherUnitsAndDurationsAreConverted) {
  const TestFolder folder;
  folder.write("a.wav", "");
  const auto ids = [&](const char* start, const char* end, const char* times) {
    ReaderOptions options;
    options.start_column = start;
    options.end_column = end;
    const auto text = fmt::format("path,label,speaker,{},{}\na.wav,x,s,{}\n", start, end, times);
    return read_corpus("table", folder.write("t.csv", text), options).clips.clips.front().id;
  };
  EXPECT_EQ(ids("start_ms", "end_ms", "100,900"), "a.wav#0.1-0.9");
  EXPECT_EQ(ids("offset", "duration", "0.1,0.2"), "a.wav#0.1-0.3");
  EXPECT_EQ(ids("begin", "dur_ms", "1,500"), "a.wav#1-1.5");
  EXPECT_EQ(ids("offset", "duration", ","), "a.wav");
  EXPECT_EQ(ids("onset", "offset", "1,2"), "a.wav#1-2");
  EXPECT_THAT(error_of([&] { ids("start_sample", "end_sample", "1,2"); }), HasSubstr("divide it by the sample rate"));
}

TEST(TableReader, RowsMayEndBeforeColumnsThatAreNotNeeded) {
  const TestFolder folder;
  const auto corpus = read_corpus("table", folder.write("t.csv", "path,label,speaker,text,note\na,x,s,t,n\nb,x,s\n"));
  EXPECT_THAT(column_values(corpus.clips, "note"), ElementsAre("n", ""));
  EXPECT_THAT(corpus.summary, HasSubstr("1 row is without the last cells, such as row 3: these are taken as empty"));
  EXPECT_THAT(error_of([&] { read_corpus("table", folder.write("t.csv", "path,label,speaker\na,x,s\nb,x\n")); }),
              HasSubstr("row 3 has 2 cells, the header has 3"));
}

TEST(TableReader, JsonMayBeAListWithNanAndNestedValues) {
  const TestFolder folder;
  const auto list = folder.write("l.json",
                                 "[\n {\n  \"path\": \"NaN \\\" NaN.wav\",\n  \"label\": \"x\", \"a\": NaN,\n"
                                 "  \"tags\": [1]\n }, {\"path\": \"b.wav\", \"label\": \"y\", \"tags\": 3}\n]\n");
  const auto corpus = read_corpus("table", list);
  EXPECT_EQ(corpus.clips.clips[0].id, "NaN \" NaN.wav");
  EXPECT_THAT(corpus.clips.extra_columns, ElementsAre("a"));
  EXPECT_THAT(column_values(corpus.clips, "a"), ElementsAre("", ""));
  EXPECT_THAT(corpus.summary, HasSubstr("the column 'tags' holds lists or objects: it is passed over"));
  const auto lines = folder.write("l.jsonl", "{\"path\": \"a.wav\", \"label\": [\"x\"]}\n");
  EXPECT_THAT(error_of([&] { read_corpus("table", lines); }),
              HasSubstr("the column 'label' for the label holds lists or objects: only texts and numbers"));
  EXPECT_THAT(error_of([&] { read_corpus("table", folder.write("n.json", "[1]")); }),
              HasSubstr("object 1 is no JSON object"));
}

}  // namespace
}  // namespace loralens
