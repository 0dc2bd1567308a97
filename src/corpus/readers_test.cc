#include "corpus/readers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "corpus/folds.h"

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

TEST(Readers, AreFoundByName) {
  for (const auto* one : readers()) {
    EXPECT_EQ(&reader(one->name()), one);
    EXPECT_FALSE(one->description().empty());
  }
  EXPECT_EQ(error_of([] { reader("emodb"); }),
            "there is no reader 'emodb' for a corpus; there are: emo-db iemocap ravdess table");
}

// ---- RAVDESS

TEST(Ravdess, ReadsFieldsFromTheName) {
  const TestFolder folder;
  folder.write("Actor_02/03-01-05-02-01-02-02.wav", "");
  folder.write("Actor_01/03-01-01-01-02-01-01.WAV", "");
  folder.write("Actor_01/._03-01-01-01-02-01-01.WAV", "");
  folder.write("Actor_01/03-02-05-02-01-02-01.wav", "");                // song
  folder.write("Actor_01/01-01-05-02-01-02-01.mp4", "");                // video
  folder.write("audio_speech/Actor_02/03-01-05-02-01-02-02.wav", "");   // the archive's second copy
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
  const Path root = Path(LORALENS_SHARED) / "corpora/ravdess";
  if (!is_directory(root)) GTEST_SKIP() << "needs ../shared/corpora";
  const auto corpus = read_corpus("ravdess", root);
  EXPECT_EQ(corpus.clips.clips.size(), 1440u);
  EXPECT_THAT(corpus.summary, testing::EndsWith("as published\n"));
  EXPECT_EQ(counts_by(corpus.clips, "speaker").size(), 24u);
  EXPECT_THAT(counts_by(corpus.clips, "gender"), ElementsAre(Pair("female", 720), Pair("male", 720)));
  EXPECT_EQ(check_files(corpus.clips), "");

  const auto four = read_corpus("ravdess", root, {.labels = "four"});
  EXPECT_THAT(counts_by(four.clips, "label"), ElementsAre(Pair("anger", 192), Pair("happiness", 192),
                                                          Pair("neutral", 96), Pair("sadness", 192)));
  EXPECT_THAT(four.summary, HasSubstr("dropped, as the labels ask: calm 192, disgust 192, fearful 192, surprised 192"));
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
  const Path root = Path(LORALENS_SHARED) / "corpora/emodb";
  if (!is_directory(root)) GTEST_SKIP() << "needs ../shared/corpora";
  const auto corpus = read_corpus("emo-db", root);
  EXPECT_EQ(corpus.clips.clips.size(), 339u);
  EXPECT_THAT(counts_by(corpus.clips, "label"), ElementsAre(Pair("anger", 127), Pair("happiness", 71),
                                                            Pair("neutral", 79), Pair("sadness", 62)));
  EXPECT_EQ(counts_by(corpus.clips, "speaker").size(), 10u);
  EXPECT_EQ(counts_by(corpus.clips, "text").size(), 10u);
  EXPECT_THAT(corpus.summary, HasSubstr("boredom 0 of 81, disgust 0 of 46, fear 0 of 69\n"));
  EXPECT_THAT(read_corpus("emo-db", root, {.labels = "four"}).summary, testing::EndsWith("as published\n"));
  const auto folds = make_folds(corpus.clips, {}, true);
  EXPECT_EQ(folds.size(), 10u);
  for (const auto& fold : folds) {
    std::set<std::string> trained, held;
    for (const int64_t clip : fold.train) trained.insert(corpus.clips.clips[static_cast<size_t>(clip)].label);
    for (const int64_t clip : fold.development) held.insert(corpus.clips.clips[static_cast<size_t>(clip)].label);
    EXPECT_EQ(trained.size(), 4u);
    EXPECT_EQ(held.size(), 4u);
  }
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
  EXPECT_THAT(error_of([&] { read_corpus("table", path, options); }), HasSubstr("need a column each"));
}

}  // namespace
}  // namespace loralens
