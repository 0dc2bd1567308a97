// SPDX-License-Identifier: Apache-2.0
// Reader of a user's own table: separated by commas, semicolons or tabs, or JSON lines (.jsonl), with any column names.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/formats/user_table.h"
#include "base/text.h"
#include "corpus/cells.h"
#include "corpus/columns.h"
#include "corpus/readers/msp_podcast.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/speaker_pattern.h"
#include "corpus/readers/tables/audio_folder.h"
#include "corpus/readers/tables/dataset_files.h"
#include "corpus/readers/tables/json_lines.h"
#include "corpus/readers/tables/table_corpus.h"

namespace loralens {
namespace {

struct Column {
  const char* name;
  std::string ReaderOptions::* theirs;
};

// Columns of the table of clips, and the options that name them in the user's table. The first two are required.
constexpr Column columns[] = {{"path", &ReaderOptions::path_column},
                              {"label", &ReaderOptions::label_column},
                              {"speaker", &ReaderOptions::speaker_column},
                              {"session", &ReaderOptions::session_column},
                              {"text", &ReaderOptions::text_column},
                              {"start", &ReaderOptions::start_column},
                              {"end", &ReaderOptions::end_column},
                              {"corpus", &ReaderOptions::corpus_column},
                              {"language", &ReaderOptions::language_column},
                              {"gender", &ReaderOptions::gender_column},
                              {"intensity", &ReaderOptions::intensity_column}};
constexpr size_t needed = 2;

// Renames the column `ours` that is written in other case or with other spaces, such as "Gender", and notes it.
void take_spelling(UserTable& read, const std::string& ours) {
  Table& table = read.table;
  const auto meant = [&](const std::string& column) { return folded(column) == ours; };
  if (table.column(ours) >= 0 || std::ranges::count_if(table.header, meant) != 1) return;
  std::string& column = *std::ranges::find_if(table.header, meant);
  read.notes.push_back(fmt::format("the column '{}' is taken as {}", shown(column), ours));
  column = ours;
}

// Renames the user's column `theirs` to `ours`.
void rename(UserTable& read, const std::string& theirs, const std::string& ours, const Path& path) {
  Table& table = read.table;
  const int column = table.column(theirs);
  if (std::ranges::find(read.nested, theirs) != read.nested.end())
    fail("{}: the column '{}' for the {} holds lists or objects: only texts and numbers can be columns", path.string(),
         theirs, ours);
  if (column < 0)
    fail("{}: there is no column '{}' for the {}; there are: {}; to name the right ones, run: {}", path.string(),
         theirs, ours, shown(fmt::format("{}", fmt::join(table.header, " "))),
         conversion_command(table.header, path.string()));
  if (theirs != ours && table.column(ours) >= 0)
    fail("{}: '{}' is to be the {}, but there is a column '{}' too: rename that one", path.string(), theirs, ours,
         ours);
  table.header[column] = ours;
}

// Fills the column of speakers, which is added if there is none, from the paths.
void set_speakers(Table& table, const std::string& pattern, const Path& path) {
  if (table.column("speaker") < 0) {
    table.header.emplace_back("speaker");
    for (auto& row : table.rows) row.emplace_back();
  }
  if (pattern.empty()) return;
  const SpeakerPattern speakers(pattern);
  const int from = table.column("path"), to = table.column("speaker");
  for (size_t i = 0; i < table.rows.size(); ++i)
    table.rows[i][to] =
        speakers.speaker_in(table.rows[i][from], fmt::format("{}: row {}", path.string(), table.number(i)));
}

// Spells out the letters of MSP-Podcast's own table, which mean other emotions elsewhere, and notes it.
void spell_out_labels(Table& table, const std::string& label_column, std::vector<std::string>& notes) {
  if (label_column != "EmoClass" || table.column("Split_Set") < 0) return;
  const int label = table.column("label");
  for (auto& row : table.rows)
    if (const std::string word = msp_podcast_label(row[label]); !word.empty()) row[label] = word;
  notes.emplace_back(
      "the letters of MSP-Podcast's labels are spelled out; `loralens corpus msp-podcast` also reads its "
      "published parts");
}

std::optional<double> number_in(const std::string& cell) {
  double value = 0;
  const auto [stop, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  return error == std::errc() && stop == cell.data() + cell.size() ? std::optional(value) : std::nullopt;
}

// Converts start and end to seconds from the file's start, if the names of the user's columns say that they are
// milliseconds, or that the end is a duration, and notes it.
void convert_times(UserTable& read, const ReaderOptions& options, const Path& file) {
  Table& table = read.table;
  const int places[] = {table.column("start"), table.column("end")};
  const TimeColumn times[] = {time_column(options.start_column), time_column(options.end_column)};
  if (places[0] < 0 || places[1] < 0) return;
  for (size_t i : {0, 1})
    if (times[i].seconds == 0)
      fail("{}: the column '{}' seems to count samples: divide it by the sample rate, and give the column another name",
           file.string(), i == 0 ? options.start_column : options.end_column);
  if (times[0].seconds == 1 && times[1].seconds == 1 && !times[1].duration) return;
  const auto rounded = [](double seconds) { return decimal(std::round(seconds * 1e9) / 1e9); };
  for (auto& row : table.rows) {
    const auto start = number_in(row[places[0]]), end = number_in(row[places[1]]);
    if (!start || !end) continue;  // an error of clips_of_table, or a whole file
    const double from = *start * times[0].seconds;
    row[places[0]] = rounded(from);
    row[places[1]] = rounded(*end * times[1].seconds + (times[1].duration ? from : 0));
  }
  read.notes.push_back(
      fmt::format("'{}' and '{}' are converted to start and end in seconds", options.start_column, options.end_column));
}

class TableReader : public Reader {
 public:
  std::string name() const override { return "table"; }
  std::string description() const override {
    return "your own table (.csv, .tsv, .txt or .jsonl); options name its columns and the folder of its audio";
  }

  std::vector<ReaderOption> options() const override {
    std::vector<ReaderOption> all = column_options(/*path=*/true);
    all.push_back(audio_option());
    all.push_back(speaker_pattern_option("a clip's path in the table"));
    return all;
  }

  RawCorpus read(const Path& root, const ReaderOptions& options) const override {
    refuse_dataset_files(root);
    const auto may_lack = [&](const std::string& column) {
      for (const auto needed_column :
           {&ReaderOptions::path_column, &ReaderOptions::label_column, &ReaderOptions::speaker_column,
            &ReaderOptions::start_column, &ReaderOptions::end_column})
        if (folded(column) == folded(options.*needed_column)) return false;
      return true;
    };
    return corpus_of_table(read_table(root, may_lack), root, options);
  }
};

}  // namespace

UserTable read_table(const Path& path, const MayLack& may_lack) {
  for (const char* extension : {".jsonl", ".ndjson", ".json"})
    if (path.extension() == extension) return read_json_lines(path);
  return read_user_table(path, may_lack);
}

std::string without_zero_fraction(std::string cell) {
  if (const size_t dot = cell.find('.'); dot != std::string::npos && dot > 0)
    if (cell.find_first_not_of('0', dot + 1) == std::string::npos) cell.resize(dot);
  return cell;
}

std::vector<ReaderOption> column_options(bool path) {
  std::vector<ReaderOption> all;
  for (const auto& [name, theirs] : std::span(columns).subspan(path ? 0 : 1))
    all.push_back({fmt::format("--{}-column", name), fmt::format("the table's column for {}", name), theirs});
  return all;
}

RawCorpus corpus_of_table(UserTable read, const Path& file, const ReaderOptions& options,
                          const std::optional<Path>& folder) {
  Table& table = read.table;
  std::map<std::string, std::string> taken;
  for (size_t i = 0; i < std::size(columns); ++i) {
    const std::string name = columns[i].name, theirs = options.*columns[i].theirs;
    if (const auto [other, fresh] = taken.emplace(theirs, name); !fresh)
      fail("{}: the column '{}' cannot be both {} and {}: they need a column each", file.string(), theirs,
           other->second, name);
    if (theirs == name) take_spelling(read, name);
    if (i < needed || theirs != name) rename(read, theirs, name, file);
  }
  if (table.column("speaker") < 0 && options.speaker_pattern.empty())
    read.notes.emplace_back(
        "no speakers: --speaker-column names their column, or --speaker-pattern takes them from "
        "the paths");
  if (!options.speaker_pattern.empty() && options.speaker_column != ReaderOptions().speaker_column)
    fail("{}: --speaker-column and --speaker-pattern exclude each other", file.string());
  if (!options.speaker_pattern.empty() && table.column("speaker") >= 0)
    read.notes.emplace_back("the column of speakers is replaced by what --speaker-pattern finds");
  set_speakers(table, options.speaker_pattern, file);
  spell_out_labels(table, options.label_column, read.notes);
  if (std::string note = note_on_segments(table.header, file.string()); !note.empty())
    read.notes.push_back(std::move(note));
  std::ranges::move(take_cells(table, read.separator != ',', file.string()), std::back_inserter(read.notes));
  convert_times(read, options, file);
  const Path base = folder ? *folder : audio_folder(table, file, options.audio, read.notes);
  return {clips_of_table(table, file.string(), base), read.notes};
}

const Reader& table_reader() {
  static const TableReader reader;
  return reader;
}

}  // namespace loralens
