// SPDX-License-Identifier: Apache-2.0
// A database in audformat (audeering.github.io/audformat): a header db.yaml, and each table as db.<table>.csv with the
// columns file or file,start,end. The labels are of one or more tables; speakers, texts and other properties may be in
// any table of the same files or segments. Properties of a speaker or a label are in the header's scheme, or in the
// misc table that the scheme names.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/formats/user_table.h"
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
  return object.is_object() && object.contains(key) ? object.at(key) : nothing;
}

std::string text_at(const ordered_json& object, const std::string& key) {
  const ordered_json& value = at(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}

// A number without leading zeros and without a fraction of 0, so that "03", "3" and "3.0" are the same; else the text.
std::string plain_number(std::string text) {
  text = without_zero_fraction(std::move(text));
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) return text;
  return text.substr(std::min(text.find_first_not_of('0'), text.size() - 1));
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

// The file, or the segment of a file, that one row of a table labels. file: the normalised path; start, end: seconds.
struct Place {
  std::string file, segment;  // segment: a text that identifies it, "" for a whole file
  std::optional<double> start, end;
};

using Properties = std::map<std::string, std::string>;  // by name

class Database {
 public:
  explicit Database(const Path& root)
      : folder_(is_file(root) ? root.parent_path() : root), header_file_(folder_ / "db.yaml") {
    if (!is_file(header_file_)) fail("{} holds no db.yaml: give the folder of an audformat database", root.string());
    header_ = parse_yaml(read_text(header_file_), header_file_.string());
    const ordered_json& named = at(header_, "tables");
    if (!named.is_object() || named.empty()) fail("{}: it names no tables", header_file_.string());
    for (const auto& [name, table] : named.items())
      if (is_file(file_of(name)))
        tables_[name] = read_user_table(file_of(name)).table;
      else
        missing_.push_back(name);
    if (tables_.empty())
      fail(
          "{} holds no table as CSV: write them with Python, audformat.Database.load(FOLDER).save(FOLDER, "
          "storage_format='csv')",
          folder_.string());
    if (!missing_.empty())
      notes_.push_back(fmt::format("tables that are not stored as CSV are not read: {}", fmt::join(missing_, ", ")));
  }

  const Path& folder() const { return folder_; }
  std::vector<std::string>& notes() { return notes_; }

  // The table of clips: the rows of the tables with labels. wanted: their names, separated by commas, or empty.
  // label_column: "label" if it is not named.
  Table clips(const std::string& wanted, const std::string& label_column) {
    const auto speakers = values_of("speaker"), texts = values_of("transcription"), genders = values_of("gender"),
               languages = values_of("language");
    const Facts about_speakers = facts_of("speaker"), about_texts = facts_of("transcription");
    Table found{{"path", "label", "speaker", "text", "gender", "language", "corpus", "start", "end"}, {}};
    int64_t unlabelled = 0, unknown = 0, strange = 0;
    for (const std::string& name : labelled_tables(wanted, label_column)) {
      const Table& table = tables_.at(name);
      const Path file = file_of(name);
      const std::string column = label_column_of(table, label_column);
      const size_t label = place_in(table, column, file);
      const Facts about_labels = facts_of(scheme_of(name, column));
      for (size_t i = 0; i < table.rows.size(); ++i) {
        const auto& row = table.rows[i];
        const std::string where = fmt::format("{}: row {}", file.string(), table.number(i));
        if (row[label].empty()) {
          ++unlabelled;
          continue;
        }
        const Place place = place_of(table, row, where);
        const std::string speaker = value_at(speakers, place, "speaker", where);
        const Properties* const facts = about_speakers.find(speaker);
        unknown += !speaker.empty() && !about_speakers.empty() && !facts;
        const auto property = [&](const Values& own, const char* key) {
          const std::string value = value_at(own, place, key, where);
          return !value.empty() || !facts || !facts->contains(key) ? value : facts->at(key);
        };
        const std::string language = property(languages, "language");
        strange += !about_labels.empty() && !about_labels.find(row[label]);
        found.rows.push_back({place.file, about_labels.name_of(row[label]), speaker,
                              about_texts.name_of(value_at(texts, place, "transcription", where)),
                              property(genders, "gender"), language.empty() ? only_language() : language,
                              text_at(header_, "name"), place.end ? fmt::format("{}", place.start.value_or(0)) : "",
                              place.end ? fmt::format("{}", *place.end) : ""});
        found.numbers.push_back(table.number(i));
        if (!place.end && place.start.value_or(0) > 0)
          fail("{}: a segment that begins at {} s has no end: give its end in the table", where, *place.start);
      }
    }
    drop_empty(found);
    const auto tell = [&](int64_t count, const char* what) {
      if (count > 0) notes_.push_back(fmt::format("{} {}", count, what));
    };
    tell(unlabelled, "rows without a label are left out");
    tell(unknown, "clips have a speaker of whom the header's scheme says nothing");
    tell(strange, "labels are not in the header's scheme");
    return found;
  }

 private:
  // What a scheme says of its labels.
  struct Facts {
    std::map<std::string, Properties> by_label;

    bool empty() const { return by_label.empty(); }
    const Properties* find(const std::string& label) const {
      auto found = by_label.find(label);
      if (found == by_label.end()) found = by_label.find(plain_number(label));
      return found == by_label.end() ? nullptr : &found->second;
    }
    // The name that the scheme gives a label; the label itself if there is none.
    std::string name_of(const std::string& label) const {
      const Properties* const facts = find(label);
      return facts && facts->contains("name") ? facts->at("name") : label;
    }
  };
  // A property of files and of segments; of files with values that differ between segments: the two values.
  struct Values {
    std::map<std::string, std::string> of_files, of_segments;
    std::map<std::string, std::pair<std::string, std::string>> conflicts;
  };

  Path file_of(const std::string& table) const { return folder_ / fmt::format("db.{}.csv", table); }

  static size_t place_in(const Table& table, const std::string& column, const Path& file) {
    const int found = table.column(column);
    if (found < 0)
      fail("{}: it has no column '{}'; there are: {}", file.string(), column,
           shown(fmt::format("{}", fmt::join(table.header, " "))));
    return static_cast<size_t>(found);
  }

  static Place place_of(const Table& table, const std::vector<std::string>& row, const std::string& where) {
    const std::string& given = row[table.column("file")];
    const Path path = Path(given).lexically_normal();
    if (given.empty() || may_lead_out(path))
      fail("{}: the path '{}' leads out of the database's folder", where, shown(given));
    Place place{.file = path.generic_string(), .segment = {}, .start = {}, .end = {}};
    const int start = table.column("start"), end = table.column("end");
    if (start < 0 || end < 0) return place;
    place.start = seconds_of(row[start], where);
    place.end = seconds_of(row[end], where);
    if (place.end || place.start.value_or(0) > 0)
      place.segment = fmt::format("{} {} {}", place.start.value_or(0), place.end.value_or(-1), place.file);
    return place;
  }

  static std::string label_column_of(const Table& table, const std::string& given) {
    if (given != "label") return given;
    const std::string like = column_like(table.header, "label");
    return like.empty() ? given : like;
  }

  std::string scheme_of(const std::string& table, const std::string& column) const {
    return text_at(at(at(at(at(header_, "tables"), table), "columns"), column), "scheme_id");
  }

  // Whether a table that is not stored as CSV has a column of labels, by the header.
  bool has_labels(const std::string& missing, const std::string& label_column) const {
    std::vector<std::string> columns;
    const ordered_json& named = at(at(at(header_, "tables"), missing), "columns");
    if (named.is_object())
      for (const auto& [column, about] : named.items()) columns.push_back(column);
    return std::ranges::find(columns, label_column) != columns.end() ||
           (label_column == "label" && !column_like(columns, "label").empty());
  }

  // The tables that are named or, without names, the only one with labels, or the one called emotion.
  std::vector<std::string> labelled_tables(const std::string& wanted, const std::string& label_column) const {
    std::vector<std::string> having;
    std::string all;
    for (const auto& [name, table] : tables_) {
      if (table.column("file") >= 0 && table.column(label_column_of(table, label_column)) >= 0) having.push_back(name);
      all += fmt::format("{}{} ({})", all.empty() ? "" : "; ", name, fmt::join(table.header, ","));
    }
    if (!wanted.empty()) {
      std::vector<std::string> names;
      for (size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
        end = wanted.find(',', begin);
        names.push_back(wanted.substr(begin, end == std::string::npos ? end : end - begin));
        if (std::ranges::find(missing_, names.back()) != missing_.end())
          fail("{}: the table '{}' is not stored as CSV ({} is missing)", header_file_.string(), names.back(),
               file_of(names.back()).string());
        if (!tables_.contains(names.back()))
          fail("{}: there is no table '{}'; tables with labels are: {}", header_file_.string(), names.back(),
               fmt::join(having, " "));
      }
      return names;
    }
    if (having.empty())
      fail("{}: no table has a column for the emotion: name it with --label-column; tables: {}", header_file_.string(),
           shown(all));
    if (std::ranges::find(having, "emotion") != having.end()) return {"emotion"};
    for (const std::string& name : missing_)
      if (has_labels(name, label_column)) having.push_back(name);
    if (having.size() == 1) return having;
    fail("{}: several tables have labels: choose with --table NAME, or several as NAME,NAME: {}", header_file_.string(),
         fmt::join(having, " "));
  }

  // A property of files and segments, from all tables. Error if a table contradicts another, or itself.
  Values values_of(const std::string& property) const {
    Values values;
    for (const auto& [name, table] : tables_) {
      int column = table.column(property);
      if (property == "speaker" && column < 0) column = table.column(column_like(table.header, "speaker"));
      if (table.column("file") < 0 || column < 0) continue;
      const bool whole_number =
          text_at(at(at(header_, "schemes"), scheme_of(name, table.header[column])), "dtype") == "int";
      for (size_t i = 0; i < table.rows.size(); ++i) {
        std::string value = table.rows[i][column];
        if (value.empty()) continue;
        if (whole_number) value = plain_number(value);
        const std::string where = fmt::format("{}: row {}", file_of(name).string(), table.number(i));
        const Place place = place_of(table, table.rows[i], where);
        if (!place.segment.empty()) {
          if (const auto [known, fresh] = values.of_segments.emplace(place.segment, value);
              !fresh && known->second != value)
            contradict(where, property, value, known->second);
        }
        const auto [known, fresh] = values.of_files.emplace(place.file, value);
        if (fresh || known->second == value) continue;
        if (place.segment.empty()) contradict(where, property, value, known->second);
        values.conflicts[place.file] = {known->second, value};
      }
    }
    return values;
  }

  [[noreturn]] static void contradict(const std::string& where, const std::string& property, const std::string& value,
                                      const std::string& other) {
    fail("{}: the {} is '{}' here and '{}' in another row", where, property, shown(value), shown(other));
  }

  // The value of a file or segment. Error for a place without a value of its own in a file whose segments differ.
  static std::string value_at(const Values& values, const Place& place, const char* property,
                              const std::string& where) {
    if (const auto own = values.of_segments.find(place.segment); own != values.of_segments.end()) return own->second;
    if (const auto two = values.conflicts.find(place.file); two != values.conflicts.end())
      contradict(where, property, two->second.first, two->second.second);
    const auto of_file = values.of_files.find(place.file);
    return of_file == values.of_files.end() ? "" : of_file->second;
  }

  // labels: {a: text}, {a: {property: text}}, or the name of a misc table whose first column is the label.
  Facts facts_of(const std::string& scheme) const {
    Facts facts;
    const ordered_json& labels = at(at(at(header_, "schemes"), scheme), "labels");
    if (labels.is_object())
      for (const auto& [label, about] : labels.items()) {
        Properties& of_label = facts.by_label[plain_number(label)];
        if (about.is_string()) of_label["name"] = about;
        if (about.is_object())
          for (const auto& [property, value] : about.items())
            if (value.is_string()) of_label[property] = value;
      }
    if (labels.is_array())
      for (const ordered_json& label : labels)
        if (label.is_string()) facts.by_label[plain_number(label)];
    if (labels.is_string() && is_file(file_of(labels))) {
      const Table table = read_user_table(file_of(labels)).table;
      for (const auto& row : table.rows)
        for (size_t c = 1; c < row.size(); ++c)
          if (!row[c].empty())
            facts.by_label[plain_number(row[0])][table.header.size() == 2 ? "name" : table.header[c]] = row[c];
    }
    return facts;
  }

  std::string only_language() const {
    const ordered_json& found = at(header_, "languages");
    return found.is_array() && found.size() == 1 && found.front().is_string() ? found.front().get<std::string>() : "";
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

  Path folder_, header_file_;
  ordered_json header_;
  std::map<std::string, Table> tables_;
  std::vector<std::string> missing_, notes_;
};

class AudformatReader : public Reader {
 public:
  std::string name() const override { return "audformat"; }
  std::string description() const override {
    return "a database in audformat: the folder with db.yaml and tables such as db.emotion.csv";
  }
  std::vector<ReaderOption> options() const override {
    return {{"--table",
             "the table with the labels, or several as NAME,NAME; if not given: the only one with a column for the "
             "emotion",
             &ReaderOptions::table},
            {"--label-column", "the table's column for label", &ReaderOptions::label_column},
            speaker_pattern_option("a clip's path in the database")};
  }

  RawCorpus read(const Path& root, const ReaderOptions& options) const override {
    Database database(root);
    Table clips = database.clips(options.table, options.label_column);
    UserTable read{std::move(clips), std::move(database.notes())};
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
