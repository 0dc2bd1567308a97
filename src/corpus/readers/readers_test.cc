// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/readers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "corpus/folds/folds.h"
#include "corpus/test_audio.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

const Clip& clip_called(const Clips& clips, const std::string& id) {
  for (const auto& clip : clips.clips)
    if (clip.id == id) return clip;
  fail("no clip {}", id);
}

TEST(Readers, SegmentsOutsideTheirFileAreTold) {
  const TestFolder folder;
  folder.write("a.wav", silent_wav(2));
  const auto path = folder.write("t.csv", "path,label,speaker,start,end\na.wav,x,s,0,1\na.wav,x,s,1,3\n");
  EXPECT_THAT(read_corpus("table", path).summary, HasSubstr("1 of 2 segments are not inside their file: "));
}

TEST(Readers, AreFoundByName) {
  for (const auto* one : readers()) {
    EXPECT_EQ(&reader(one->name()), one);
    EXPECT_FALSE(one->description().empty());
  }
  EXPECT_EQ(error_of([] { reader("emodb"); }),
            "there is no reader 'emodb' for a corpus; there are:"
            " crema-d emo-db esd folders iemocap meld msp-improv ravdess table");
}

// ---- RAVDESS

TEST(Ravdess, ReadsFieldsFromTheName) {
  const TestFolder folder;
  folder.write("Actor_02/03-01-05-02-01-02-02.wav", "");
  folder.write("Actor_01/03-01-01-01-02-01-01.WAV", "");
  folder.write("Actor_01/._03-01-01-01-02-01-01.WAV", "");
  folder.write("Actor_01/03-02-05-02-01-02-01.wav", "");                // song
  folder.write("Actor_01/01-01-05-02-01-02-01.mp4", "");                // video
  folder.write("audio_speech/Actor_02/03-01-05-02-01-02-02.wav", "");   // a second copy, as in the archive
  folder.write("Actor_01/hello.wav", "");
  folder.write("LICENSE.txt", "");
  const auto corpus = read_corpus("ravdess", folder.path());
  ASSERT_EQ(corpus.clips.clips.size(), 2u);
  const auto& clip = clip_called(corpus.clips, "Actor_02/03-01-05-02-01-02-02.wav");
  EXPECT_EQ(clip.path, folder.path() / clip.id);
  EXPECT_EQ(clip.label, "angry");
  EXPECT_EQ(clip.speaker, "02");
  EXPECT_EQ(clip.gender, "female");
  EXPECT_EQ(clip.intensity, "strong");
  EXPECT_EQ(clip.text, "Kids are talking by the door.");
  EXPECT_EQ(clip.corpus, "ravdess");
  EXPECT_EQ(clip.language, "en");
  const auto& other = clip_called(corpus.clips, "Actor_01/03-01-01-01-02-01-01.WAV");
  EXPECT_EQ(other.gender, "male");
  EXPECT_EQ(other.intensity, "normal");
  EXPECT_EQ(other.text, "Dogs are sitting by the door.");
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 2 files of song or video\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 1 files whose name occurs twice\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 1 audio files with other names\n"));
  EXPECT_THAT(corpus.summary,
              HasSubstr("differs from the published counts by label (found of published): angry 1 of 192"));
}

TEST(Ravdess, RefusesOtherFoldersAndCodes) {
  const TestFolder folder;
  EXPECT_THAT(error_of([&] { read_corpus("ravdess", folder.path()); }), HasSubstr("holds no RAVDESS speech"));
  EXPECT_THAT(error_of([&] { read_corpus("ravdess", folder.path() / "none"); }), HasSubstr("is no folder"));
  folder.write("Actor_01/03-01-09-01-01-01-01.wav", "");
  EXPECT_THAT(error_of([&] { read_corpus("ravdess", folder.path()); }), HasSubstr("code 09 in the name"));
}

TEST(Ravdess, RealOneHasThePublishedCounts) {
  const Path root = shared_folder() / "corpora/ravdess";
  if (!is_directory(root)) GTEST_SKIP() << "needs ../shared/corpora";
  const auto corpus = read_corpus("ravdess", root);
  EXPECT_EQ(corpus.clips.clips.size(), 1440u);
  EXPECT_THAT(corpus.summary, testing::EndsWith("as published\n"));
  EXPECT_EQ(counts_by(corpus.clips, "speaker").size(), 24u);
  EXPECT_THAT(counts_by(corpus.clips, "gender"), ElementsAre(Pair("female", 720), Pair("male", 720)));
  EXPECT_THAT(counts_by(corpus.clips, "label"),
              ElementsAre(Pair("angry", 192), Pair("calm", 192), Pair("disgust", 192), Pair("fearful", 192),
                          Pair("happy", 192), Pair("neutral", 96), Pair("sad", 192), Pair("surprised", 192)));
  EXPECT_THAT(counts_by(corpus.clips, "intensity"), ElementsAre(Pair("normal", 768), Pair("strong", 672)));
  EXPECT_EQ(check_files(corpus.clips), "");

  const auto four = read_corpus("ravdess", root, {.labels = "four"});
  EXPECT_THAT(counts_by(four.clips, "label"),
              ElementsAre(Pair("anger", 192), Pair("happiness", 192), Pair("neutral", 96), Pair("sadness", 192)));
  EXPECT_THAT(four.summary, HasSubstr("do not name them: calm 192, disgust 192, fearful 192, surprised 192\n"));
  EXPECT_THAT(four.summary, testing::EndsWith("as published\n"));
  const auto folds = make_folds(four.clips, {.scheme = "speaker:8"}, true);
  for (const auto& fold : folds) EXPECT_EQ(fold.test.size(), 84u);
}

// ---- EMO-DB

TEST(EmoDb, ReadsFieldsFromTheName) {
  const TestFolder folder;
  folder.write("wav/03a01Fa.wav", "");
  folder.write("wav/16b10Lb.wav", "");
  folder.write("wav/14z09Wa.wav", "");
  const auto corpus = read_corpus("emo-db", folder.path());
  ASSERT_EQ(corpus.clips.clips.size(), 2u);
  const auto& clip = corpus.clips.clips[0];
  EXPECT_EQ(clip.id, "wav/03a01Fa.wav");
  EXPECT_EQ(clip.label, "happiness");
  EXPECT_EQ(clip.speaker, "03");
  EXPECT_EQ(clip.gender, "male");
  EXPECT_EQ(clip.text, "Der Lappen liegt auf dem Eisschrank.");
  EXPECT_EQ(clip.language, "de");
  EXPECT_EQ(corpus.clips.clips[1].label, "boredom");
  EXPECT_EQ(corpus.clips.clips[1].gender, "female");
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 1 audio files with other names"));
  EXPECT_EQ(read_corpus("emo-db", folder.path() / "wav").clips.clips[0].id, "03a01Fa.wav");
  EXPECT_THAT(error_of([&] { read_corpus("emo-db", folder.path().parent_path() / "none"); }), HasSubstr("no folder"));
}

TEST(EmoDb, RealOneHasTheFourClasses) {
  const Path root = shared_folder() / "corpora/emodb";
  if (!is_directory(root)) GTEST_SKIP() << "needs ../shared/corpora";
  const auto corpus = read_corpus("emo-db", root);
  EXPECT_EQ(corpus.clips.clips.size(), 339u);
  EXPECT_THAT(counts_by(corpus.clips, "label"),
              ElementsAre(Pair("anger", 127), Pair("happiness", 71), Pair("neutral", 79), Pair("sadness", 62)));
  std::map<std::string, std::string> gender;
  for (const auto& clip : corpus.clips.clips) gender[clip.speaker] = clip.gender;
  EXPECT_THAT(gender, ElementsAre(Pair("03", "male"), Pair("08", "female"), Pair("09", "female"), Pair("10", "male"),
                                  Pair("11", "male"), Pair("12", "male"), Pair("13", "female"), Pair("14", "female"),
                                  Pair("15", "male"), Pair("16", "female")));
  EXPECT_EQ(counts_by(corpus.clips, "text").size(), 10u);
  EXPECT_THAT(corpus.summary, HasSubstr("boredom 0 of 81, disgust 0 of 46, fear 0 of 69\n"));
  EXPECT_THAT(read_corpus("emo-db", root, {.labels = "four"}).summary, testing::EndsWith("as published\n"));
  const auto folds = make_folds(corpus.clips, {}, true);
  EXPECT_EQ(folds.size(), 10u);
  for (const auto& fold : folds) {
    std::set<std::string> trained, held;
    for (const int64_t clip : fold.train) trained.insert(corpus.clips.clips[clip].label);
    for (const int64_t clip : fold.development) held.insert(corpus.clips.clips[clip].label);
    EXPECT_EQ(trained.size(), 4u);
    EXPECT_EQ(held.size(), 4u);
  }
}

// ---- folders

TEST(Folders, TheFolderIsTheClass) {
  const TestFolder folder;
  folder.write("angry/07_a.wav", "");
  folder.write("angry/deep/08_b.FLAC", "");
  folder.write("sad/07_c.mp3", "");
  folder.write("sad/list.txt", "");
  folder.write("stray.wav", "");
  const auto corpus = read_corpus("folders", folder.path());
  EXPECT_THAT(column_values(corpus.clips, "label"), ElementsAre("angry", "angry", "sad"));
  EXPECT_THAT(column_values(corpus.clips, "speaker"), ElementsAre("", "", ""));
  EXPECT_EQ(corpus.clips.clips[1].id, "angry/deep/08_b.FLAC");
  EXPECT_EQ(corpus.clips.clips[1].path, folder.path() / "angry/deep/08_b.FLAC");
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 1 audio files that are in no class's folder\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 1 files that are no audio\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("no speakers: --speaker-pattern takes them from the names\n"));
  const auto named = read_corpus("folders", folder.path(), {.labels = "four", .speaker_pattern = "/(\\d+)_"});
  EXPECT_THAT(column_values(named.clips, "label"), ElementsAre("anger", "anger", "sadness"));
  EXPECT_THAT(column_values(named.clips, "speaker"), ElementsAre("07", "08", "07"));
}

TEST(Folders, ErrorsSayWhere) {
  const TestFolder folder;
  const auto message = [&](const std::string& pattern) {
    return error_of([&] { read_corpus("folders", folder.path(), {.speaker_pattern = pattern}); });
  };
  EXPECT_THAT(message(""), HasSubstr("holds no audio in folders"));
  folder.write("sad/c.wav", "");
  EXPECT_THAT(message("/(\\d+)_"), HasSubstr("c.wav: the speaker pattern finds nothing in 'sad/c.wav'"));
  EXPECT_THAT(message("\\d+"), HasSubstr("needs one group in parentheses"));
  EXPECT_THAT(message("("), HasSubstr("'(' is no regular expression"));
}

// ---- table

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
  EXPECT_THAT(error_of([&] { read_corpus("table", path, options); }),
              HasSubstr("no column 'speaker' for the speaker: name the right one; there are: path label who take"));
  options.speaker_column = "file";
  EXPECT_THAT(error_of([&] { read_corpus("table", path, options); }),
              HasSubstr("the column 'file' cannot be both path and speaker"));
  options.speaker_column = "who";
  options.text_column = "words";
  EXPECT_THAT(error_of([&] { read_corpus("table", path, options); }), HasSubstr("no column 'words' for the text"));
}

TEST(TableReader, MapsEveryColumn) {
  const TestFolder folder;
  const auto path = folder.write("t.csv",
                                 "wav,emo,spk,ses,words,from,to,db,lang,sex,level,take\n"
                                 "a.wav,sad,s1,2,Oh no,1.5,3,mine,en,female,strong,7\n");
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
  EXPECT_THAT(error_of([&] { read("[1]\n"); }), HasSubstr("t.jsonl: line 1 is no JSON object"));
  EXPECT_THAT(error_of([&] { read("{\"wav\": {\"path\": \"b.wav\"}}\n"); }),
              HasSubstr("t.jsonl: line 1: 'wav' holds a list or an object"));
  EXPECT_THAT(error_of([&] { read("{\"wav\": \"b.wav\", \"emo\": \"sad\"}\n"); }),
              HasSubstr("no column 'spk' for the speaker"));
}

}  // namespace
}  // namespace loralens
