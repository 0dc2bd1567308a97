// SPDX-License-Identifier: Apache-2.0
// A database in audformat (audeering.github.io/audformat): a header db.yaml, and each table as db.<table>.csv with the
// columns file or file,start,end. The labels are of one table; speakers, texts and other columns may be in any table
// with the same files, and what is known of a speaker in the header or in a table of speakers.
#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/formats/yaml.h"
#include "base/range.h"
#include "base/text.h"
#include "corpus/columns.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/speaker_pattern.h"
#include "corpus/readers/tables/table_corpus.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

using nlohmann::ordered_json;

const ordered_json nothing = ordered_json::object();

const ordered_json& at(const ordered_json& object, const std::string& key) {
  return object.is_object() && object.contains(key) && object.at(key).is_object() ? object.at(key) : nothing;
}

std::string text_at(const ordered_json& object, const std::string& key) {
  return object.is_object() && object.contains(key) && object.at(key).is_string() ? object.at(key).get<std::string>()
                                                                                  : "";
}

// Seconds of a time as pandas writes it: "0 days 00:00:01.500000", "00:00:01.5" or seconds. nullopt for NaT or nothing.
std::optional<double> seconds_of(const std::string& text, const std::string& where) {
  if (text.empty() || text == "NaT") return std::nullopt;
  std::string clock = text;
  double seconds = 0;
  const auto number = [&](const std::string& part) {
    const auto value = parse_number<double>(part);
    if (!value || *value < 0) fail("{}: '{}' is no time", where, shown(text));
    return *value;
  };
  if (const size_t days = clock.find(" days"); days != std::string::npos) {
    seconds = number(clock.substr(0, days)) * 24 * 3600;
    clock = clock.size() > days + 5 ? clock.substr(days + 6) : "";
  }
  double part = 0;
  while (!clock.empty()) {
    const size_t colon = clock.find(':');
    part = part * 60 + number(clock.substr(0, colon));
    clock = colon == std::string::npos ? "" : clock.substr(colon + 1);
  }
  return seconds + part;
}

class Database {
 public:
  explicit Database(const Path& root)
      : folder_(is_file(root) ? root.parent_path() : root), header_file_(folder_ / "db.yaml") {
    if (!is_file(header_file_)) fail("{} holds no db.yaml: give the folder of an audformat database", root.string());
    header_ = parse_yaml(read_text(header_file_), header_file_.string());
    for (const auto& [name, table] : at(header_, "tables").items())
      if (const Path file = folder_ / fmt::format("db.{}.csv", name); is_file(file))
        tables_[name] = read_csv(file);
      else
        missing_.push_back(name);
    if (tables_.empty())
      fail(
          "{} holds no table as CSV: write them with Python, audformat.Database.load(FOLDER).save(FOLDER, "
          "storage_format='csv')",
          folder_.string());
  }

  const Path& folder() const { return folder_; }
  std::vector<std::string>& notes() { return notes_; }

  // The table of clips: the rows of the labels' table, with columns path, label, and start, end, speaker, ... where
  // they are known. label_column: "label" if it is not named.
  Table clips(const std::string& wanted, const std::string& label_column) {
    const std::string name = labelled_table(wanted, label_column);
    const Table& table = tables_.at(name);
    const Path file = file_of(name);
    const size_t path = place(table, "file", file), label = place(table, label_column_of(table, label_column), file);
    const int start = table.column("start"), end = table.column("end");
    const auto speakers = values_of("speaker", name), texts = values_of("transcription", name);
    Table found{{"path", "label", "speaker", "text", "gender", "language", "corpus", "start", "end"}, {}};
    for (size_t i = 0; i < table.rows.size(); ++i) {
      const auto& row = table.rows[i];
      const std::string where = fmt::format("{}: row {}", file.string(), table.number(i));
      if (row[label].empty()) {
        ++unlabelled_;
        continue;
      }
      const auto known = [&](const std::map<std::string, std::string>& values) {
        const auto value = values.find(row[path]);
        return value == values.end() ? std::string() : value->second;
      };
      if (const Path name(row[path]); name.is_absolute() || std::ranges::find(name, Path("..")) != name.end())
        fail("{}: the path '{}' leads out of the database's folder", where, shown(row[path]));
      const std::string speaker = known(speakers), text = known(texts);
      const std::string language = of_speaker(speaker, "language");
      found.rows.push_back({row[path], row[label], speaker, scheme_text("transcription", text),
                            of_speaker(speaker, "gender"), language.empty() ? only_language() : language,
                            text_at(header_, "name"), "", ""});
      found.numbers.push_back(table.number(i));
      if (start >= 0 && end >= 0) set_times(row[start], row[end], where, found.rows.back());
    }
    drop_empty(found);
    if (unlabelled_ > 0) notes_.push_back(fmt::format("{} rows without a label are left out", unlabelled_));
    return found;
  }

 private:
  Path file_of(const std::string& table) const { return folder_ / fmt::format("db.{}.csv", table); }

  static size_t place(const Table& table, const std::string& column, const Path& file) {
    const int found = table.column(column);
    if (found < 0)
      fail("{}: it has no column '{}'; there are: {}", file.string(), column,
           shown(fmt::format("{}", fmt::join(table.header, " "))));
    return static_cast<size_t>(found);
  }

  static std::string label_column_of(const Table& table, const std::string& given) {
    if (given != "label") return given;
    const std::string like = column_like(table.header, "label");
    return like.empty() ? given : like;
  }

  // The table with the labels: the one that is named, the only one with such a column, or the one called emotion.
  std::string labelled_table(const std::string& wanted, const std::string& label_column) const {
    std::vector<std::string> having;
    for (const auto& [name, table] : tables_) {
      const std::string column = label_column_of(table, label_column);
      if (table.column("file") >= 0 && table.column(column) >= 0) having.push_back(name);
    }
    const std::string all = fmt::format("{}", fmt::join(having, " "));
    if (!wanted.empty()) {
      if (std::ranges::find(missing_, wanted) != missing_.end())
        fail("{}: the table '{}' is not stored as CSV ({} is missing)", header_file_.string(), wanted,
             file_of(wanted).string());
      if (!tables_.contains(wanted))
        fail("{}: there is no table '{}'; tables with labels are: {}", header_file_.string(), wanted, all);
      return wanted;
    }
    if (having.empty())
      fail("{}: no table has a column for the emotion: name it with --label-column", header_file_.string());
    if (having.size() == 1) return having.front();
    if (std::ranges::find(having, "emotion") != having.end()) return "emotion";
    fail("{}: several tables have labels: choose one with --table: {}", header_file_.string(), all);
  }

  // {file: value} of the column for a property, from the table `first` or else from any table of files.
  std::map<std::string, std::string> values_of(const std::string& property, const std::string& first) const {
    std::vector<std::string> order = {first};
    for (const auto& [name, table] : tables_)
      if (name != first) order.push_back(name);
    std::map<std::string, std::string> values;
    for (const std::string& name : order) {
      const Table& table = tables_.at(name);
      const int file = table.column("file");
      int column = table.column(property);
      if (property == "speaker" && column < 0) column = table.column(column_like(table.header, "speaker"));
      if (file < 0 || column < 0) continue;
      for (const auto& row : table.rows)
        if (!row[column].empty()) values.emplace(row[file], row[column]);
    }
    return values;
  }

  // What the header's scheme of speakers says of one: labels: {3: {gender: male}}.
  std::string of_speaker(const std::string& speaker, const char* property) const {
    return text_at(at(at(at(at(header_, "schemes"), "speaker"), "labels"), speaker), property);
  }

  // The text for a label of a scheme, labels: {a01: The text.}; the label itself if the scheme has no texts.
  std::string scheme_text(const std::string& scheme, const std::string& label) const {
    const std::string text = text_at(at(at(at(header_, "schemes"), scheme), "labels"), label);
    return text.empty() ? label : text;
  }

  std::string only_language() const {
    const auto found = header_.find("languages");
    return found != header_.end() && found->is_array() && found->size() == 1 && found->front().is_string()
               ? found->front().get<std::string>()
               : "";
  }

  // Removes columns that are empty in all rows.
  static void drop_empty(Table& table) {
    for (size_t c = table.header.size(); c-- > 2;) {
      if (std::ranges::any_of(table.rows, [&](const auto& row) { return !row[c].empty(); })) continue;
      const auto at = static_cast<std::ptrdiff_t>(c);
      table.header.erase(table.header.begin() + at);
      for (auto& row : table.rows) row.erase(row.begin() + at);
    }
  }

  // A segment from the file's start to its end is the whole file.
  static void set_times(const std::string& start, const std::string& end, const std::string& where,
                        std::vector<std::string>& clip) {
    const auto from = seconds_of(start, where), to = seconds_of(end, where);
    if (!to && from.value_or(0) == 0) return;
    if (!to) fail("{}: a segment that begins at {} s has no end: give its end in the table", where, *from);
    clip[7] = fmt::format("{}", from.value_or(0));
    clip[8] = fmt::format("{}", *to);
  }

  Path folder_, header_file_;
  ordered_json header_;
  std::map<std::string, Table> tables_;
  std::vector<std::string> missing_, notes_;
  int64_t unlabelled_ = 0;
};

class AudformatReader : public Reader {
 public:
  std::string name() const override { return "audformat"; }
  std::string description() const override {
    return "a database in audformat: the folder with db.yaml and tables such as db.emotion.csv";
  }
  std::vector<ReaderOption> options() const override {
    return {{"--table", "the table with the labels; if not given: the only one with a column for the emotion",
             &ReaderOptions::table},
            {"--label-column", "the table's column for label", &ReaderOptions::label_column},
            speaker_pattern_option("a clip's path in the database")};
  }

  RawCorpus read(const Path& root, const ReaderOptions& options) const override {
    Database database(root);
    UserTable read{database.clips(options.table, options.label_column), std::move(database.notes())};
    ReaderOptions ours = options;
    ours.label_column = "label";
    return corpus_of_table(std::move(read), database.folder() / "db.yaml", ours, database.folder());
  }
};

}  // namespace

const Reader& audformat_reader() {
  static const AudformatReader reader;
  return reader;
}

}  // namespace loralens
