// SPDX-License-Identifier: Apache-2.0
// Tests of the reader of EmoBox's lists.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "corpus/readers/readers.h"
#include "corpus/test_audio.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string line(const std::string& name, const std::string& label) {
  return fmt::format(R"({{"dataset": "emodb", "wav": "downloads/emodb/{0}.wav", "length": 1.9, "emo": "{1}"}})", name,
                     label) +
         "\n";
}

TEST(EmoBox, JoinsTheFolds) {
  const TestFolder folder;
  folder.write("data/emodb/fold_1/emodb_train_fold_1.jsonl", line("03b", "Sad"));
  folder.write("data/emodb/fold_1/emodb_valid_fold_1.jsonl", line("08c", "Sad"));
  folder.write("data/emodb/fold_1/emodb_test_fold_1.jsonl", line("03a", "Angry"));
  folder.write("data/emodb/fold_2/emodb_train_fold_2.jsonl", line("03a", "Angry"));
  folder.write("data/emodb/fold_2/emodb_test_fold_2.jsonl", line("03b", "Sad"));
  for (const char* name : {"03a", "03b", "08c"})
    folder.write(fmt::format("downloads/emodb/{}.wav", name), silent_wav(1));
  const Path root = folder.path() / "data/emodb";
  const auto corpus = read_corpus("emobox", root, {.labels = "four", .speaker_pattern = "/(\\d+)[a-z]"});
  EXPECT_EQ(corpus.clips.clips[0].path, folder.path() / "downloads/emodb/03a.wav");
  EXPECT_THAT(column_values(corpus.clips, "label"), ElementsAre("anger", "sadness", "sadness"));
  EXPECT_THAT(column_values(corpus.clips, "fold"), ElementsAre("1", "2", ""));
  EXPECT_THAT(column_values(corpus.clips, "speaker"), ElementsAre("03", "03", "08"));
  EXPECT_THAT(column_values(corpus.clips, "corpus"), ElementsAre("emodb", "emodb", "emodb"));
  EXPECT_THAT(corpus.summary, HasSubstr("1 clips are in no test list"));
  EXPECT_THAT(corpus.summary, HasSubstr("relative to " + folder.path().string()));
  folder.write("data/emodb/fold_2/emodb_valid_fold_2.jsonl", line("03a", "Happy"));
  EXPECT_THAT(error_of([&] { read_corpus("emobox", root); }),
              HasSubstr("emodb_valid_fold_2.jsonl: line 1: the label is 'Happy' here and 'Angry' in another list"));
}

TEST(EmoBox, PartsWithoutFoldsAndErrors) {
  const TestFolder folder;
  EXPECT_THAT(error_of([&] { read_corpus("emobox", folder.path()); }), HasSubstr("holds no lists of EmoBox"));
  folder.write("x_train.jsonl", line("a", "Sad"));
  folder.write("x_test.jsonl", line("b", "Angry"));
  const auto corpus = read_corpus("emobox", folder.path(), {.audio = folder.path().string()});
  EXPECT_THAT(column_values(corpus.clips, "partition"), ElementsAre("train", "test"));
  folder.write("x_valid.jsonl", line("../../../etc/c", "Sad"));
  EXPECT_THAT(error_of([&] { read_corpus("emobox", folder.path()); }), HasSubstr("leads out of EmoBox's folder"));
  folder.write("x_valid.jsonl", "{\"wav\": \"a\"}\n");
  EXPECT_THAT(error_of([&] { read_corpus("emobox", folder.path()); }), HasSubstr("no line has the key \"emo\""));
}

}  // namespace
}  // namespace loralens
