// SPDX-License-Identifier: Apache-2.0
// A folder as Hugging Face datasets reads or writes it: audio files, and in the folder or in each of its splits a
// metadata.csv or metadata.jsonl whose column file_name has paths relative to it (audiofolder); or Parquet or Arrow
// files that hold the audio. Numbers for labels are named by the dataset card (README.md) or the file's schema. Format:
// huggingface.co/docs/datasets, "Create an audio dataset".
#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "corpus/columns.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/speaker_pattern.h"
#include "corpus/readers/tables/dataset_files.h"
#include "corpus/readers/tables/dataset_table.h"
#include "corpus/readers/tables/table_corpus.h"
#include "corpus/readers/tree.h"
#include "corpus/readers/written_audio.h"

namespace loralens {
namespace {

bool is_metadata(const Path& path) { return path.filename() == "metadata.csv" || path.filename() == "metadata.jsonl"; }

// The metadata files of a folder, or the one that `root` is.
std::vector<Path> metadata_files(const Path& root) {
  if (is_file(root)) return {root};
  std::vector<Path> found;
  for (const Path& path : files_below(root))
    if (is_metadata(path)) found.push_back(path);
  return found;
}

std::string names_of(const std::vector<std::string>& header) {
  return shown(fmt::format("{}", fmt::join(header, " ")));
}

// The column of the files' names: file_name, or the only one that ends with _file_name.
std::string file_column(const Table& table, const Path& file) {
  if (table.column("file_name") >= 0) return "file_name";
  std::vector<std::string> others;
  for (const std::string& column : table.header)
    if (column.ends_with("_file_name")) others.push_back(column);
  if (others.size() == 1) return others.front();
  if (!others.empty())
    fail("{}: several columns name files ({}): call the one of the clips file_name", file.string(), names_of(others));
  fail("{}: it needs a column file_name with the paths of the audio files; there are: {}", file.string(),
       names_of(table.header));
}

void append_metadata(DatasetTable& all, const Path& root, const Path& file) {
  UserTable read = read_table(file);
  for (const std::string& note : read.notes) all.note(fmt::format("{}: {}", name_below(root, file), note));
  Table& table = read.table;
  const std::string files = file_column(table, file);
  const int name = table.column(files);
  const Path folder = file.parent_path();
  all.begin(file, table.header, files, folder == root ? "" : folder.filename().string());
  for (size_t i = 0; i < table.rows.size(); ++i) {
    std::string path = all.listed_path(table.rows[i][name], folder, table.number(i));
    all.add(std::move(table.rows[i]), table.number(i), [&] { return std::move(path); });
  }
}

constexpr size_t most_faults = 10'000;  // after which no more rows are read

// Reads the rows of Parquet or Arrow files, whose audio it writes into a folder.
class AudioRows {
 public:
  AudioRows(const Path& root, const Path& folder, const ReaderOptions& options)
      : root_(root), folder_(folder), table_(folder, options) {
    if (options.audio_folder.empty()) fail("{}: there is no folder for the audio in its files", root.string());
    written_ = std::make_shared<WrittenAudio>(options.audio_folder, options.replace_audio);
  }

  void append(const Path& file) {
    DatasetFile rows(file);
    std::vector<std::string> header = rows.columns();
    if (!rows.left_out().empty())
      table_.note(fmt::format("{}: columns of lists, structures or bytes are left out: {}", name_below(folder_, file),
                              names_of(rows.left_out())));
    const std::string paths = path_column(rows, file);
    const auto own = std::ranges::find(header, paths);  // a column of paths, or a place for those of the audio
    const auto place = own - header.begin();
    if (own == header.end()) header.push_back(paths);
    table_.begin(file, header, paths, split_of(root_, file));
    size_t number = 0;
    while (auto row = rows.next()) {
      ++number;
      ++rows_;
      if (faults_.size() >= most_faults) refuse_faults();
      if (!row->fault.empty()) {
        faults_.push_back(fmt::format("{}: {}", table_.where(number), row->fault));
        continue;
      }
      if (place < std::ssize(row->cells)) row->path = row->cells[place];
      row->cells.resize(header.size());
      table_.add(std::move(row->cells), number, [&] { return path_of(*row, file, number); });
    }
  }

  RawCorpus finish(const ReaderOptions& options) {
    refuse_faults();
    RawCorpus corpus = corpus_of_table(table_.finish(), root_, options, written_->path());
    corpus.audio = written_;
    return corpus;
  }

  DatasetTable& table() { return table_; }

 private:
  // The column of audio or, without one, of paths.
  static std::string path_column(const DatasetFile& rows, const Path& file) {
    if (!rows.audio().empty()) return rows.audio();
    const auto& columns = rows.columns();
    const bool usual = std::ranges::find(columns, "file_name") != columns.end();
    std::string like = usual ? "file_name" : column_like(columns, "path");
    if (like.empty())
      fail("{}: it has no column of audio (a structure of bytes and path) and none of paths; there are: {}",
           file.string(), names_of(columns));
    return like;
  }

  void refuse_faults() const {
    constexpr int64_t named = 20;
    if (faults_.empty()) return;
    fail("{} of {} rows cannot be used: {}{}", faults_.size(), rows_,
         fmt::join(faults_.begin(), faults_.begin() + std::min(std::ssize(faults_), named), "; "),
         std::ssize(faults_) > named ? fmt::format("; and {} more", std::ssize(faults_) - named) : "");
  }

  // Writes the audio of a row, or finds the file that the row names. "" and a fault if there is neither.
  std::string path_of(const DatasetRow& row, const Path& file, size_t number) {
    if (!row.audio.empty()) {
      std::string name;
      const std::string fault =
          error_of([&] { name = written_->add(row.path, row.audio, name_below(folder_, file), number); });
      if (!fault.empty()) faults_.push_back(fmt::format("{}: {}", table_.where(number), fault));
      return fault.empty() ? name : "-";
    }
    for (const Path& from : {folder_, file.parent_path()})
      if (!row.path.empty() && !may_lead_out(row.path) && is_file(from / row.path))
        return std::filesystem::absolute(folder_ / table_.listed_path(row.path, from, number)).string();
    faults_.push_back(row.path.empty() ? fmt::format("{}: no audio", table_.where(number))
                                       : fmt::format("{}: no audio, and no file '{}' in the folder",
                                                     table_.where(number), shown(row.path)));
    return "-";
  }

  Path root_, folder_;
  DatasetTable table_;
  std::shared_ptr<WrittenAudio> written_;
  std::vector<std::string> faults_;
  int64_t rows_ = 0;
};

class DatasetsReader : public Reader {
 public:
  std::string name() const override { return "datasets"; }
  std::string description() const override {
    return "a folder for Hugging Face datasets: metadata.csv or .jsonl with file_name, in splits or not; or Parquet\n"
           "or Arrow files that hold the audio, which is written into a folder beside the table";
  }
  std::vector<ReaderOption> options() const override {
    std::vector<ReaderOption> all = column_options(/*path=*/false);
    all.push_back(speaker_pattern_option("a clip's path in the folder"));
    return all;
  }

  RawCorpus read(const Path& root, const ReaderOptions& options) const override {
    const Path folder = is_file(root) ? root.parent_path() : root;
    ReaderOptions ours = options;
    ours.label_column = "label";
    ours.speaker_column = "speaker";
    const std::vector<Path> files = dataset_files(root);
    const std::vector<Path> metadata = is_file(root) && !files.empty() ? std::vector<Path>{} : metadata_files(root);
    if (metadata.empty() && files.empty())
      fail(
          "{} holds no metadata.csv or metadata.jsonl, and no Parquet or Arrow files: for a folder per class, or per "
          "split and class, use 'loralens corpus folders'",
          root.string());
    if (!metadata.empty()) {
      DatasetTable table(folder, options);
      for (const Path& file : metadata) append_metadata(table, folder, file);
      if (!files.empty()) table.note(fmt::format("{} Parquet or Arrow files are passed over", files.size()));
      return corpus_of_table(table.finish(), root, ours, folder);
    }
    AudioRows rows(root, folder, options);
    for (const Path& file : files) rows.append(file);
    for (std::string& line : missing_shards(files)) rows.table().note(std::move(line));
    return rows.finish(ours);
  }
};

}  // namespace

const Reader& datasets_reader() {
  static const DatasetsReader reader;
  return reader;
}

}  // namespace loralens
