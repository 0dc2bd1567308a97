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
            " audformat crema-d datasets emo-db emobox esd folders iemocap meld msp-improv msp-podcast ravdess savee "
            "table tess");
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
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 1 files whose name occurs twice, such as "));
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
  folder.write("sad/README", "");
  folder.write("stray.wav", "");
  const auto corpus = read_corpus("folders", folder.path());
  EXPECT_THAT(column_values(corpus.clips, "label"), ElementsAre("angry", "angry", "sad"));
  EXPECT_THAT(column_values(corpus.clips, "speaker"), ElementsAre("", "", ""));
  EXPECT_EQ(corpus.clips.clips[1].id, "angry/deep/08_b.FLAC");
  EXPECT_EQ(corpus.clips.clips[1].path, folder.path() / "angry/deep/08_b.FLAC");
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 1 audio files that are in no class's folder (.wav 1)\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 2 files that are no audio (without extension 1, .txt 1)\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("no speakers: --speaker-pattern takes them from the names\n"));
  const auto named = read_corpus("folders", folder.path(), {.labels = "four", .speaker_pattern = "/(\\d+)_"});
  EXPECT_THAT(column_values(named.clips, "label"), ElementsAre("anger", "anger", "sadness"));
  EXPECT_THAT(column_values(named.clips, "speaker"), ElementsAre("07", "08", "07"));
}

TEST(Folders, TakesWhatTheDecoderReads) {
  const TestFolder folder;
  for (const char* name : {"a.sph", "b.w64", "c.CAF", "d.au", "e.opus", "f.aifc", "g.m4a", "h.mp4", "h.wav"})
    folder.write(fmt::format("calm/{}", name), "");
  const auto corpus = read_corpus("folders", folder.path());
  EXPECT_EQ(corpus.clips.clips.size(), 8u);
  EXPECT_THAT(corpus.summary, HasSubstr("passed over 1 files beside audio of the same name (.mp4 1)\n"));
  const TestFolder other;
  other.write("calm/list.txt", "");
  EXPECT_THAT(error_of([&] { read_corpus("folders", other.path()); }), HasSubstr("(passed over: .txt 1)"));
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

TEST(Folders, SplitsAreNoClasses) {
  const TestFolder folder;
  for (const char* name : {"Train/sad/a.wav", "Train/anger/b.wav", "test/sad/deep/a.wav"}) folder.write(name, "");
  const auto corpus = read_corpus("folders", folder.path());
  EXPECT_THAT(column_values(corpus.clips, "label"), testing::ElementsAre("anger", "sad", "sad"));
  EXPECT_THAT(column_values(corpus.clips, "split"), testing::ElementsAre("Train", "Train", "test"));
  EXPECT_THAT(corpus.summary, HasSubstr("are splits, the column split, and those in them the classes: Train 2 test 1"));
  folder.write("anger/c.wav", "");
  EXPECT_THAT(read_corpus("folders", folder.path()).summary, HasSubstr("by label: Train 2, anger 1, test 1"));
}

TEST(Readers, LookOneLevelDownAndNameArchives) {
  const TestFolder folder;
  folder.write("emo/EMO/wav/03a01Fa.wav", "");
  EXPECT_EQ(read_corpus("emo-db", folder.path() / "emo").clips.clips.front().id, "EMO/wav/03a01Fa.wav");
  folder.write("emo/second/wav/03a01Fa.wav", "");
  EXPECT_THAT(error_of([&] { read_corpus("emo-db", folder.path() / "emo"); }), HasSubstr("holds no EMO-DB"));
  folder.write("crema/C/AudioWAV/1001_DFA_ANG_XX.wav", std::string(2000, '\0'));
  EXPECT_EQ(read_corpus("crema-d", folder.path() / "crema").clips.clips.front().label, "anger");
  folder.write("mp3/AudioMP3/1001_DFA_ANG_XX.mp3", "");
  EXPECT_THAT(error_of([&] { read_corpus("crema-d", folder.path() / "mp3"); }), HasSubstr("; it holds AudioMP3"));
  folder.write("zip/Actor_01.zip", "");
  EXPECT_THAT(error_of([&] { read_corpus("ravdess", folder.path() / "zip"); }),
              testing::EndsWith("; it holds 1 archive, such as Actor_01.zip: unpack it first"));
}

}  // namespace
}  // namespace loralens
