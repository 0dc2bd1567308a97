// SPDX-License-Identifier: Apache-2.0
// Parquet and Arrow files as Hugging Face datasets writes them: a column of audio, a structure of bytes and path,
// beside other columns. Python's package pyarrow reads them, in a child process.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/programs/child_process.h"
#include "base/programs/frames.h"

namespace loralens {

// The dataset's files below a folder: the Parquet files or, if there are none, the Arrow files, without those that the
// library has cached (cache-*.arrow); `root` itself if it is such a file.
std::vector<Path> dataset_files(const Path& root);

// The split that a file below `root` belongs to, by its name (train-00000-of-00002.parquet, test.parquet) or else its
// folder (test/0000.parquet); "" if neither names one.
std::string split_of(const Path& root, const Path& file);

// A line for each split of which shards are missing, by the numbers in their names: "train: 1 of 2 files are here".
std::vector<std::string> missing_shards(const std::vector<Path>& files);

// For other readers: Error, which names the reader `datasets`, if `root` is such a file or a folder that holds some.
void refuse_dataset_files(const Path& root);

// A row of a file.
struct DatasetRow {
  std::vector<std::string> cells;  // in the order of DatasetFile::columns(); "" for null
  std::string path, audio;  // as the column of audio gives them; audio: the bytes of a file
  std::string fault;  // why the row cannot be used: a class outside the names of its column; else ""
};

// Reads the rows of a file one after the other.
class DatasetFile {
 public:
  // Error if there is no Python with pyarrow (the environment variable LORALENS_PYTHON, or else python3 of PATH), and
  // if the file cannot be read.
  explicit DatasetFile(const Path& path);

  const std::vector<std::string>& columns() const { return columns_; }  // without the column of audio
  const std::string& audio() const { return audio_; }  // the column of audio; "" if there is none
  const std::vector<std::string>& left_out() const { return left_out_; }  // columns of lists, structures and bytes

  // The next row; nullopt at the end. Numbers of classes are replaced by their names, -1 (no class) by "".
  std::optional<DatasetRow> next();

 private:
  Frame frame();
  [[noreturn]] void fail_unread(const std::string& reason);

  Path path_, python_;
  ChildProcess child_;
  std::vector<std::string> columns_, left_out_;
  std::string audio_;
  std::vector<std::vector<std::string>> names_;  // of the classes of each column; empty: no classes
  uint64_t rows_ = 0;
};

}  // namespace loralens
