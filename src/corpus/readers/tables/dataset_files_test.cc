// SPDX-License-Identifier: Apache-2.0
// Tests of the files of a Hugging Face dataset, with a small script in Python's place.
#include "corpus/readers/tables/dataset_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "corpus/readers/readers.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string little_endian_bytes(uint64_t number, size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(number >> (8 * i) & 0xff);
  return text;
}

std::string frame_text(char kind, const std::string& about, const std::string& bytes = "") {
  return kind + little_endian_bytes(about.size(), 4) + little_endian_bytes(bytes.size(), 8) + about + bytes;
}

const std::string header =
    R"({"columns": ["label", "who"], "audio": "audio", "names": {"label": ["anger", "joy"]}, "left_out": ["vector"]})";

class DatasetFiles : public testing::Test {
 protected:
  void TearDown() override { ::unsetenv("LORALENS_PYTHON"); }

  // Makes a program in Python's place that prints these bytes.
  void answer(const std::string& bytes, const std::string& commands = "") {
    folder_.write("answer", bytes);
    const Path python =
        folder_.write("python", "#!/bin/sh\n/bin/cat " + (folder_.path() / "answer").string() + "\n" + commands + "\n");
    std::filesystem::permissions(python, std::filesystem::perms::owner_all);
    ::setenv("LORALENS_PYTHON", python.c_str(), 1);
  }

  Path shard(const std::string& name) { return folder_.write("set/" + name, "PAR1"); }
  Path out() const { return folder_.path() / "clips-audio"; }

  ReadCorpus read() const {
    ReaderOptions options;
    options.audio_folder = out();
    return read_corpus("datasets", folder_.path() / "set", options);
  }
  std::string error() const {
    return error_of([&] { read(); });
  }

  TestFolder folder_;
};

TEST_F(DatasetFiles, SplitsAreNamedByFilesOrFolders) {
  const auto split = [](const char* name) { return split_of("/set", Path("/set") / name); };
  EXPECT_EQ(split("data/train-00000-of-00002.parquet"), "train");
  EXPECT_EQ(split("data/test-clean-00000-of-00002-0a1b2c3d.parquet"), "test-clean");
  EXPECT_EQ(split("default/validation/0000.parquet"), "validation");
  EXPECT_EQ(split("train/data-00000-of-00001.arrow"), "train");
  EXPECT_EQ(split("crema-train-00000-of-00002.arrow"), "train");
  EXPECT_EQ(split("test.parquet"), "test");
  EXPECT_EQ(split("emotions.parquet"), "");
  EXPECT_EQ(split("data-00000-of-00001.arrow"), "");
  EXPECT_EQ(split("data/emotions.parquet"), "");
}

TEST_F(DatasetFiles, ArrowIsReadWithoutParquetAndWithoutTheCache) {
  folder_.write("set/train/data-00000-of-00001.arrow", "");
  folder_.write("set/train/cache-0123.arrow", "");
  EXPECT_THAT(dataset_files(folder_.path() / "set"),
              ElementsAre(folder_.path() / "set/train/data-00000-of-00001.arrow"));
  const Path parquet = shard("train-00001-of-00003.parquet");
  EXPECT_THAT(dataset_files(folder_.path() / "set"), ElementsAre(parquet));
  EXPECT_THAT(missing_shards({parquet}), ElementsAre(HasSubstr("train: 1 of 3 files are here")));
  EXPECT_THAT(error_of([&] { read_corpus("folders", folder_.path() / "set"); }),
              HasSubstr("loralens corpus datasets "));
  for (const Path& path : {folder_.path() / "set", parquet})
    EXPECT_THAT(error_of([&] { read_corpus("table", path); }), HasSubstr("loralens corpus datasets " + path.string()));
}

TEST_F(DatasetFiles, RowsBecomeClipsWithTheirAudio) {
  shard("data/train-00000-of-00001.parquet");
  answer(frame_text('h', header) + frame_text('r', R"({"cells": ["1", "s1"], "path": "../a.wav"})", "RIFF1") +
         frame_text('r', R"({"cells": ["0", "s2"], "path": "a.wav"})", "RIFF2") +
         frame_text('r', R"({"cells": ["-1", "s3"], "path": "b.wav"})", "RIFF3") + frame_text('d', R"({"rows": 3})"));
  const ReadCorpus corpus = read();
  EXPECT_THAT(column_values(corpus.clips, "label"), ElementsAre("anger", "joy"));
  EXPECT_THAT(column_values(corpus.clips, "split"), ElementsAre("train", "train"));
  EXPECT_THAT(column_values(corpus.clips, "who"), ElementsAre("s2", "s1"));
  EXPECT_EQ(corpus.clips.clips[1].path, out() / "a.wav");
  EXPECT_EQ(read_file(out() / "a.wav"), "RIFF1");
  EXPECT_EQ(read_file(out() / "a-2.wav"), "RIFF2");
  EXPECT_FALSE(std::filesystem::exists(out() / "b.wav"));
  EXPECT_THAT(corpus.summary, HasSubstr("1 rows without a label are left out"));
  EXPECT_THAT(corpus.summary, HasSubstr("are left out: vector"));
}

TEST_F(DatasetFiles, RowsThatCannotBeUsedAreNamedAllAtOnce) {
  shard("x.parquet");
  answer(frame_text('h', header) + frame_text('r', R"({"cells": ["2", "s1"], "path": "a.wav"})", "RIFF1") +
         frame_text('r', R"({"cells": ["0", "s1"], "path": "../../b.wav"})") +
         frame_text('r', R"({"cells": ["1", "s1"], "path": null})") +
         frame_text('r', R"({"cells": ["1", "s1"], "path": "c"})", "what") +
         frame_text('r', R"({"cells": ["1", "s1"], "path": "d.wav"})", "RIFF") + frame_text('d', R"({"rows": 5})"));
  const std::string text = error();
  for (const char* words :
       {"4 of 5 rows cannot be used", "row 1: the column 'label' has the class 2, but the file names 2",
        "row 2: no audio, and no file '../../b.wav'", "row 3: no audio", "row 4: it begins like no audio"})
    EXPECT_THAT(text, HasSubstr(words));
  EXPECT_FALSE(std::filesystem::exists(out()));
}

TEST_F(DatasetFiles, AnswersThatAreCutOrInDisorderAreErrors) {
  shard("x.parquet");
  const std::string row = frame_text('r', R"({"cells": ["1", "s1"], "path": "a.wav"})", "RIFF"),
                    whole = frame_text('h', header) + row + frame_text('d', R"({"rows": 1})");
  for (const std::string& bytes :
       {std::string(), frame_text('h', header), frame_text('h', header) + row, row, whole.substr(0, whole.size() - 1),
        frame_text('h', header) + frame_text('d', R"({"rows": 1})"), frame_text('h', header) + frame_text('x', "{}"),
        frame_text('h', header) + frame_text('r', R"({"cells": ["1"]})", "RIFF"),
        frame_text('h', header) + frame_text('r', R"({"cells": [1, "a"]})", "RIFF"), frame_text('h', "{}")}) {
    answer(bytes);
    EXPECT_THAT(error(), HasSubstr("x.parquet")) << bytes;
    EXPECT_FALSE(std::filesystem::exists(out()));
  }
  answer(whole, "exit 3");
  EXPECT_THAT(error(), HasSubstr("rows are missing"));
  answer("", "echo 'Killed by a bug' >&2; exit 1");
  EXPECT_THAT(error(), HasSubstr("(Killed by a bug)"));
  answer(whole);
  EXPECT_EQ(error(), "");
}

TEST_F(DatasetFiles, WhatIsMissingIsSaidWithItsCommand) {
  shard("x.parquet");
  answer(frame_text('m', R"({"error": "ModuleNotFoundError: No module named 'pyarrow'"})"));
  EXPECT_THAT(error(), HasSubstr("python -m pip install pyarrow"));
  ::setenv("LORALENS_PYTHON", "/nowhere/python", 1);
  EXPECT_THAT(error(), HasSubstr("LORALENS_PYTHON is '/nowhere/python', which is no program"));
  folder_.write("set/x.parquet", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  EXPECT_THAT(error(), HasSubstr("pointer of Git LFS"));
}

}  // namespace
}  // namespace loralens
