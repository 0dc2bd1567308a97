// SPDX-License-Identifier: Apache-2.0
#include "corpus/clips.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <set>
#include <unordered_map>

#include "audio/decode.h"
#include "base/error.h"
#include "base/formats/user_table.h"
#include "base/pattern.h"
#include "base/progress.h"
#include "base/text.h"
#include "corpus/cells.h"
#include "corpus/columns.h"
#include "corpus/names.h"

namespace loralens {
namespace fs = std::filesystem;
namespace {

constexpr size_t longest_suffix = 64;

struct TextField {
  std::string_view column;
  std::string Clip::* member;
};

// The text columns of Clip, in the order in which they are written.
constexpr std::array<TextField, 8> text_fields{{{"label", &Clip::label},
                                                {"speaker", &Clip::speaker},
                                                {"session", &Clip::session},
                                                {"text", &Clip::text},
                                                {"corpus", &Clip::corpus},
                                                {"language", &Clip::language},
                                                {"gender", &Clip::gender},
                                                {"intensity", &Clip::intensity}}};

const TextField* text_field(std::string_view column) {
  const auto found = std::find_if(text_fields.begin(), text_fields.end(),
                                  [&](const TextField& field) { return field.column == column; });
  return found == text_fields.end() ? nullptr : &*found;
}

double seconds(const std::string& cell, const char* column, const std::string& name, size_t row) {
  double value = 0;
  const char* end = cell.data() + cell.size();
  const auto [stop, error] = std::from_chars(cell.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value))
    fail("{}: row {}: {} '{}' is no number of seconds: write it like 62.5", name, row, column, shown(cell));
  return value;
}

void read_segment(Clip& clip, const std::string& start, const std::string& end, const std::string& name, size_t row) {
  if (start.empty() && end.empty()) return;
  if (start.empty() || end.empty())
    fail("{}: row {}: start and end stand together: give both, or neither for the whole file", name, row);
  clip.start = seconds(start, "start", name, row);
  clip.end = seconds(end, "end", name, row);
  if (clip.start < 0) fail("{}: row {}: start {} is before the file begins", name, row, start);
  if (clip.end <= clip.start) fail("{}: row {}: end {} is not after start {}", name, row, end, start);
}

// Error if two rows have the same file ("a.wav" and "./a.wav") and segment.
void check_ids(const Clips& clips, const std::string& name) {
  std::unordered_map<std::string, size_t> seen;
  seen.reserve(clips.clips.size());
  for (size_t i = 0; i < clips.clips.size(); ++i) {
    const Clip& clip = clips.clips[i];
    const auto [first, fresh] =
        seen.emplace(fmt::format("{}#{}-{}", clip.path.lexically_normal().string(), clip.start, clip.end), i);
    if (!fresh)
      fail("{}: row {}: the clip '{}' is in row {} already: remove one, or give them start and end", name,
           clips.clips[i].row, clips.clips[i].id, clips.clips[first->second].row);
  }
}

// The path that a CSV file in `folder` gets for `path`: relative to the folder, or absolute if they share only "/".
std::string written_path(const Path& path, const Path& folder) {
  const Path whole = fs::absolute(path).lexically_normal();
  const auto [in_path, in_folder] = std::mismatch(whole.begin(), whole.end(), folder.begin(), folder.end());
  const bool apart = in_folder != folder.end() && std::distance(whole.begin(), in_path) <= 1;  // only "/" is shared
  return (apart ? whole : whole.lexically_relative(folder)).generic_string();
}

bool is_column_empty(const Clips& clips, std::string Clip::* member) {
  return std::all_of(clips.clips.begin(), clips.clips.end(), [&](const Clip& clip) { return (clip.*member).empty(); });
}

// Indices of a table's columns and, for text columns, their fields in Clip.
struct Layout {
  int path, start, end;
  std::vector<std::pair<int, std::string Clip::*>> texts;
  std::vector<int> extra;
};

// Error for a known column in another spelling, such as "Label", which would become an extra column; and for invalid
// names of columns.
void check_header(const Table& table, const std::string& name) {
  for (const std::string& column : table.header) {
    if (column.empty() || has_control_character(column))
      fail("{}: the header's column '{}' is empty or holds a control character: give it a plain name", name,
           shown(column));
    const std::string meant = folded(column);
    const bool known = text_field(meant) || meant == "path" || meant == "start" || meant == "end";
    if (known && meant != column)
      fail(
          "{}: the header's column '{}' is not written '{}': give it another name if it is something else, else rename "
          "it or run: {}",
          name, column, meant, conversion_command(table.header, name));
  }
}

Layout layout_of(const Table& table, const std::string& name) {
  check_header(table, name);
  for (const char* needed : {"path", "label", "speaker"})
    if (table.column(needed) < 0)
      fail(
          "{}: there is no column '{}' (its columns: {}): a table of clips begins with path,label,speaker; to convert "
          "this one, run: {}",
          name, needed, shown(fmt::format("{}", fmt::join(table.header, " "))), conversion_command(table.header, name));
  Layout layout{table.column("path"), table.column("start"), table.column("end"), {}, {}};
  if ((layout.start < 0) != (layout.end < 0))
    fail("{}: the columns start and end stand together: add the other one, or run: {}", name,
         conversion_command(table.header, name));
  for (size_t i = 0; i < table.header.size(); ++i) {
    const int column = static_cast<int>(i);
    if (const auto* field = text_field(table.header[i]))
      layout.texts.emplace_back(column, field->member);
    else if (column != layout.path && column != layout.start && column != layout.end)
      layout.extra.push_back(column);
  }
  return layout;
}

}  // namespace

std::string segment_suffix(const Clip& clip) {
  return clip.is_segment() ? "#" + decimal(clip.start) + "-" + decimal(clip.end) : "";
}

Clips clips_of_table(const Table& table, const std::string& name, const Path& folder) {
  const auto layout = layout_of(table, name);
  if (table.rows.empty()) fail("{}: there are no clips below the header", name);
  Clips clips;
  clips.folder = folder;
  for (const int column : layout.extra) clips.extra_columns.push_back(table.header[column]);
  clips.clips.reserve(table.rows.size());
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const auto cell = [&](int column) -> const std::string& { return table.rows[i][column]; };
    const size_t row = table.number(i);
    Clip clip;
    clip.row = row;
    for (const auto& [column, member] : layout.texts) clip.*member = cell(column);
    if (cell(layout.path).empty()) fail("{}: row {}: the path is empty", name, row);
    if (clip.label.empty()) fail("{}: row {}: the label is empty", name, row);
    if (layout.start >= 0) read_segment(clip, cell(layout.start), cell(layout.end), name, row);
    clip.path = file_of_cell(folder, cell(layout.path));
    clip.id = cell(layout.path) + segment_suffix(clip);
    for (const int column : layout.extra) clip.extra.push_back(cell(column));
    clips.clips.push_back(std::move(clip));
  }
  check_cells(clips, [&](size_t clip) { return fmt::format("{}: row {}", name, clips.clips[clip].row); });
  check_ids(clips, name);
  return clips;
}

Clips read_clips(const Path& csv) {
  UserTable read = read_user_table(csv, [](const std::string& column) {
    static const std::set<std::string> needed = {"path", "label", "speaker", "start", "end"};
    return !needed.contains(column);
  });
  read.notes.push_back(note_on_segments(read.table.header, csv.string()));
  std::ranges::move(take_cells(read.table, read.separator != ',', csv.string()), std::back_inserter(read.notes));
  for (const std::string& note : read.notes)
    if (!note.empty()) log_line(fmt::format("{}: {}", csv.string(), note));
  return clips_of_table(read.table, csv.string(), csv.parent_path());
}

void write_clips(const Path& csv, const Clips& clips) {
  const Path folder = fs::absolute(csv).lexically_normal().parent_path();
  const bool segments = std::any_of(clips.clips.begin(), clips.clips.end(), [](auto& c) { return c.is_segment(); });
  std::vector<TextField> fields;
  for (const auto& field : text_fields)
    if (field.column == "label" || field.column == "speaker" || !is_column_empty(clips, field.member))
      fields.push_back(field);

  std::vector<std::string> cells{"path"};
  for (const auto& field : fields) cells.emplace_back(field.column);
  if (segments) cells.insert(cells.end(), {"start", "end"});
  cells.insert(cells.end(), clips.extra_columns.begin(), clips.extra_columns.end());
  std::string text = format_csv_row(cells);
  for (const auto& clip : clips.clips) {
    cells.assign({written_path(clip.path, folder)});
    for (const auto& field : fields) cells.push_back(clip.*field.member);
    if (segments) {
      cells.push_back(clip.is_segment() ? decimal(clip.start) : "");
      cells.push_back(clip.is_segment() ? decimal(clip.end) : "");
    }
    cells.insert(cells.end(), clip.extra.begin(), clip.extra.end());
    text += format_csv_row(cells);
  }
  write_file(csv, text);
}

std::string check_files(const Clips& clips) {
  constexpr size_t named = 20;
  std::set<Path> missing;
  std::set<Path> looked_at;
  std::error_code code;
  for (const auto& clip : clips.clips)
    if (looked_at.insert(clip.path).second && !fs::is_regular_file(clip.path, code)) missing.insert(clip.path);
  if (missing.empty()) return "";
  std::string list;
  size_t count = 0;
  for (const auto& path : missing) {
    if (count++ == named) break;
    list += (list.empty() ? "" : ", ") + path.string();
  }
  if (std::ranges::all_of(missing, [](const Path& path) { return path.native().find('\\') != std::string::npos; }))
    list = "(their paths have backslashes, as on Windows: write / instead) " + list;
  return fmt::format("{} of {} audio files are missing: {}{}", missing.size(), looked_at.size(), list,
                     missing.size() > named ? fmt::format(" and {} more", missing.size() - named) : "");
}

std::string check_segments(const Clips& clips) {
  std::map<Path, double> lengths;  // s; 0: missing or unreadable
  const auto length_of = [&](const Path& path) {
    const auto [place, fresh] = lengths.emplace(path, 0);
    std::error_code code;
    if (fresh && fs::is_regular_file(path, code)) try {
        place->second = audio_seconds(path);
      } catch (const Error&) {
      }
    return place->second;
  };
  int64_t segments = 0, outside = 0;
  std::string first;
  for (const auto& clip : clips.clips) {
    segments += clip.is_segment();
    if (!clip.is_segment() || length_of(clip.path) == 0 || clip.end <= length_of(clip.path)) continue;
    try {
      audio_seconds(clip.path, {clip.start, clip.end});  // an exact check, which rounds times to the file's samples
    } catch (const Error& error) {
      if (++outside == 1) first = error.what();
    }
  }
  return outside ? fmt::format("{} of {} segments are not inside their file: {}", outside, segments, first) : "";
}

Clip clip_of_id(const std::string& id) {
  static const Pattern segment("#([0-9]+(?:\\.[0-9]+)?)-([0-9]+(?:\\.[0-9]+)?)");
  Clip clip;
  clip.id = id;
  clip.path = id;
  const auto mark = std::min(id.rfind('#'), id.size());
  const std::string suffix = id.substr(mark);
  const auto parts = suffix.size() > longest_suffix ? std::nullopt : segment.match(suffix);
  std::error_code code;
  if (!parts || fs::exists(id, code)) return clip;
  clip.path = id.substr(0, mark);
  clip.start = std::stod((*parts)[1]);
  clip.end = std::stod((*parts)[2]);
  return clip;
}

bool has_column(const Clips& clips, std::string_view column) {
  return text_field(column) ||
         std::find(clips.extra_columns.begin(), clips.extra_columns.end(), column) != clips.extra_columns.end();
}

std::vector<std::string> column_values(const Clips& clips, const std::string& column) {
  std::vector<std::string> values;
  values.reserve(clips.clips.size());
  if (const auto* field = text_field(column)) {
    for (const auto& clip : clips.clips) values.push_back(clip.*field->member);
    return values;
  }
  const auto found = std::find(clips.extra_columns.begin(), clips.extra_columns.end(), column);
  if (found == clips.extra_columns.end()) {
    std::string known;
    for (const auto& field : text_fields) known += fmt::format("{}{}", known.empty() ? "" : " ", field.column);
    for (const auto& extra : clips.extra_columns) known += " " + extra;
    fail("the table of clips has no column '{}'; it has: {}", column, known);
  }
  const auto place = found - clips.extra_columns.begin();
  for (const auto& clip : clips.clips) values.push_back(clip.extra.at(place));
  return values;
}

std::map<std::string, int64_t> counts_by(const Clips& clips, const std::string& column) {
  std::map<std::string, int64_t> counts;
  for (const auto& value : column_values(clips, column)) ++counts[value];
  return counts;
}

std::vector<std::string> classes_of(const Clips& clips) {
  std::set<std::string_view> labels;
  for (const auto& clip : clips.clips) labels.insert(clip.label);
  return {labels.begin(), labels.end()};
}

std::vector<int64_t> class_numbers(const Clips& clips, const std::vector<std::string>& classes) {
  std::map<std::string_view, int64_t> numbers;
  for (size_t i = 0; i < classes.size(); ++i) numbers.emplace(classes[i], static_cast<int64_t>(i));
  std::vector<int64_t> result;
  result.reserve(clips.clips.size());
  for (const auto& clip : clips.clips) {
    const auto found = numbers.find(clip.label);
    if (found == numbers.end())
      fail("{}: the label '{}' is none of the classes {}", clip.id, clip.label, fmt::join(classes, ", "));
    result.push_back(found->second);
  }
  return result;
}

}  // namespace loralens
