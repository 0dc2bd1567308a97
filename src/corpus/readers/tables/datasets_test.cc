// SPDX-License-Identifier: Apache-2.0
// Tests of the reader of Hugging Face datasets' folders, without audio.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "corpus/readers/readers.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string error_in(const TestFolder& folder, const ReaderOptions& options = {}) {
  return error_of([&] { read_corpus("datasets", folder.path(), options); });
}

TEST(Datasets, ReadsTheMetadataOfEachSplit) {
  const TestFolder folder;
  folder.write("data/train/metadata.csv", "file_name,emotion,speaker_id,note\na.wav,anger,s1,x\nsub/b.wav,joy,s2,y\n");
  folder.write("data/test/metadata.jsonl", R"({"file_name": "a.wav", "emotion": "joy", "speaker_id": 3})");
  for (const char* name : {"data/train/a.wav", "data/train/sub/b.wav", "data/test/a.wav"}) folder.write(name, "");
  const auto corpus = read_corpus("datasets", folder.path());
  EXPECT_THAT(column_values(corpus.clips, "label"), ElementsAre("joy", "anger", "joy"));
  EXPECT_THAT(column_values(corpus.clips, "speaker"), ElementsAre("3", "s1", "s2"));
  EXPECT_THAT(column_values(corpus.clips, "split"), ElementsAre("test", "train", "train"));
  EXPECT_THAT(column_values(corpus.clips, "note"), ElementsAre("", "x", "y"));
  EXPECT_EQ(corpus.clips.clips[2].path, folder.path() / "data/train/sub/b.wav");
  EXPECT_THAT(corpus.summary, HasSubstr("the column 'emotion' is taken as label"));
  EXPECT_THAT(corpus.summary, HasSubstr("the column 'speaker_id' is taken as speaker"));
  EXPECT_EQ(corpus.summary.find("missing"), std::string::npos);
}

TEST(Datasets, TakesEachFilesOwnColumnsAndCountsWhatIsLeftOut) {
  const TestFolder folder;
  folder.write("train/metadata.csv", "file_name,label,speaker,transcription\na.wav,joy,s1,Oh.\n");
  folder.write("test/metadata.csv", "file_name,emotion,speaker_id\nb.wav,anger,s2\n");
  folder.write(".git/metadata.csv", "file_name,label\nc.wav,joy\n");
  for (const char* name : {"train/a.wav", "test/b.wav", "test/d.wav", ".git/c.wav"}) folder.write(name, "");
  const auto corpus = read_corpus("datasets", folder.path());
  EXPECT_THAT(column_values(corpus.clips, "speaker"), ElementsAre("s2", "s1"));
  EXPECT_THAT(column_values(corpus.clips, "label"), ElementsAre("anger", "joy"));
  EXPECT_THAT(column_values(corpus.clips, "text"), ElementsAre("", "Oh."));
  EXPECT_THAT(corpus.summary, HasSubstr("1 audio files are in no metadata"));
}

TEST(Datasets, ReadsOneFolderOrItsFile) {
  const TestFolder folder;
  folder.write("metadata.csv", "audio_file_name,label,path\na.wav,anger,elsewhere\n");
  for (const Path& root : {folder.path(), folder.path() / "metadata.csv"}) {
    const auto corpus = read_corpus("datasets", root);
    EXPECT_THAT(column_values(corpus.clips, "label"), ElementsAre("anger"));
    EXPECT_FALSE(has_column(corpus.clips, "split"));
    EXPECT_THAT(column_values(corpus.clips, "path_in_metadata"), ElementsAre("elsewhere"));
    EXPECT_EQ(corpus.clips.clips[0].path, folder.path() / "a.wav");
    EXPECT_THAT(corpus.summary, HasSubstr("no speakers"));
  }
}

TEST(Datasets, NamesNumberedClassesByTheCard) {
  const TestFolder folder;
  folder.write("train/metadata.csv", "file_name,label\na.wav,1\nb.wav,0\n");
  EXPECT_THAT(read_corpus("datasets", folder.path()).summary, HasSubstr("2 labels are numbers, and no README.md"));
  const std::string card =
      "---\nlicense: mit\ndataset_info:\n  features:\n  - name: audio\n    dtype: audio\n  - name: label\n    dtype:\n"
      "      class_label:\n        names:\n          '0': anger\n";
  folder.write("README.md", card + "---\n# A corpus\n");
  EXPECT_THAT(error_in(folder), HasSubstr("row 2: README.md has no name for the class 1"));
  folder.write("README.md", card + "          '1': joy\n---\n# A corpus\n");
  EXPECT_THAT(column_values(read_corpus("datasets", folder.path()).clips, "label"), ElementsAre("joy", "anger"));
  folder.write("train/metadata.csv", "file_name,label\na.wav,1.0\nb.wav,-1\nc.wav,anger\nd.wav,\n");
  const auto mixed = read_corpus("datasets", folder.path());
  EXPECT_THAT(column_values(mixed.clips, "label"), ElementsAre("joy", "anger"));
  EXPECT_THAT(mixed.summary, HasSubstr("2 rows without a label are left out"));
  const std::string list =
      "\r\n---\r\ndataset_info:\r\n- config_name: a\r\n  features:\r\n  - name: label\r\n    dtype:\r\n"
      "      class_label:\r\n        names: [anger, joy]\r\n";
  folder.write("README.md", list + "---\r\n");
  EXPECT_THAT(column_values(read_corpus("datasets", folder.path()).clips, "label"), ElementsAre("joy", "anger"));
  folder.write("README.md", list +
                                "- config_name: b\n  features:\n  - name: label\n    dtype:\n      class_label:\n"
                                "        names: [joy, anger]\n---\n");
  EXPECT_THAT(error_in(folder), HasSubstr("its configurations name the classes of 'label' differently"));
  folder.write("README.md", "---\na: [\n---\n");
  EXPECT_THAT(error_in(folder), HasSubstr("README.md: no valid YAML"));
}

TEST(Datasets, ThatCannotBeReadSayWhatToDo) {
  const TestFolder empty, folder;
  EXPECT_THAT(error_in(empty), HasSubstr("loralens corpus folders"));
  for (const char* path : {"../a.wav", "/etc/a.wav", "x/../../a.wav"}) {
    folder.write("train/metadata.csv", fmt::format("file_name,label\na.wav,joy\n{},joy\n", path));
    EXPECT_THAT(error_in(folder), HasSubstr("row 3: the path '")) << path;
  }
  folder.write("train/metadata.csv", "name,label\na.wav,joy\n");
  EXPECT_THAT(error_in(folder), HasSubstr("it needs a column file_name"));
  folder.write("train/metadata.csv", "file_name,mood\na.wav,joy\n");
  EXPECT_THAT(error_in(folder), HasSubstr("there is no column 'label'"));
  folder.write("test/metadata.csv", "file_name,label\nb.wav,joy\nb.wav,anger\n");
  EXPECT_THAT(error_in(folder), HasSubstr("metadata.csv: row 3: 'test/b.wav' is listed twice"));
  folder.write("test/metadata.csv", "file_name,label,mood\nb.wav,0,joy\n");
  ReaderOptions options;
  options.label_column = "mood";
  EXPECT_EQ(error_in(folder, options), "");
}

}  // namespace
}  // namespace loralens
