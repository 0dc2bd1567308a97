// SPDX-License-Identifier: Apache-2.0
// Joins the rows of a Hugging Face dataset's files (metadata.csv, metadata.jsonl, Parquet) to one table.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/formats/user_table.h"
#include "corpus/readers/readers.h"

namespace loralens {

class DatasetTable {
 public:
  // root: the dataset's folder. `options` must outlive this object.
  DatasetTable(Path root, const ReaderOptions& options) : root_(std::move(root)), options_(options) {}

  // Begins a file with these columns. paths: the column of the audio; split: "" for none. The columns of the label,
  // the speaker and the text get their names here; another column of such a name becomes NAME_in_metadata. Error if
  // there is no column for the label.
  void begin(const Path& file, std::vector<std::string> header, const std::string& paths, const std::string& split);

  // Adds a row of this file. path_of() returns the path of its audio; it is called only if the row has a label, since
  // other rows are left out. Error for a number that has no name, and for more rows than a table may have.
  void add(std::vector<std::string> cells, size_t number, const std::function<std::string()>& path_of);

  // Where a row of this file is, for messages.
  std::string where(size_t number) const { return fmt::format("{}: row {}", file_.string(), number); }

  // A path that a row names, relative to the dataset's folder. folder: to which it is relative. Error for one that
  // leads out of this folder or was listed before.
  std::string listed_path(const std::string& path, const Path& folder, size_t number);

  void note(std::string text) { table_.notes.push_back(std::move(text)); }

  // The table: path, split if there are splits, and all other columns.
  UserTable finish();

 private:
  void take_columns(Table& table);
  void name_class(std::string& label, size_t number);

  Path root_, file_;
  const ReaderOptions& options_;
  UserTable table_{{{"path", "split"}, {}}, {}};
  std::vector<size_t> places_;  // of the file's columns in table_
  std::string split_;
  size_t label_ = 0, bytes_ = 0;
  std::set<std::string> listed_, notes_;
  std::map<std::string, std::string> names_;  // of classes, by number
  int64_t unlabelled_ = 0, numbers_ = 0;
};

}  // namespace loralens
