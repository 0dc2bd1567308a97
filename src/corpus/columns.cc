// SPDX-License-Identifier: Apache-2.0
#include "corpus/columns.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/shell.h"
#include "base/text.h"

namespace loralens {
namespace {

struct Meaning {
  std::string_view column, names;  // names: in lower case, without spaces, '_' and '-'
};

constexpr std::array<Meaning, 5> meanings = {
    {{"path",
      " path file filename filepath fname wav wavfile wavpath wavfilename audio audiofile audiopath audiofilename "
      "audiofilepath clip clippath recording soundfile relativepath "},
     {"label",
      " label labels emotion emotions emo emoclass emotionlabel emotionclass emotioncategory class category "
      "target "},
     {"speaker",
      " speaker speakers speakerid speakername spk spkid spkr spkrid actor actorid actorname subject "
      "subjectid participant participantid person personid talker "},
     {"start", " start starttime begin begintime onset xmin tmin from "},
     {"end", " end endtime stop stoptime offset xmax tmax to "}}};
constexpr Meaning duration = {"duration", " duration dur length segmentduration segmentlength "};

struct Unit {
  std::string_view names;
  double seconds;
};

constexpr Unit units[] = {{" s sec secs second seconds ", 1},
                          {" ms msec msecs millis millisec millisecs millisecond milliseconds ", 1e-3},
                          {" sample samples frame frames ", 0}};

bool is_listed(std::string_view names, std::string_view name) {
  return !name.empty() && names.find(fmt::format(" {} ", name)) != std::string_view::npos;
}

std::string plain(std::string_view name) {
  std::string text = folded(name);
  std::erase_if(text, [](char c) { return std::string_view(" _-()[]").find(c) != std::string_view::npos; });
  return text;
}

// The unit in seconds of a column whose plain name is one of `names`, alone or with a unit behind it; 0: samples.
std::optional<double> unit_of(const std::string& name, std::string_view names) {
  if (is_listed(names, name)) return 1;
  for (size_t length = 1; length < name.size(); ++length)
    for (const Unit& unit : units)
      if (is_listed(unit.names, std::string_view(name).substr(length)) && is_listed(names, name.substr(0, length)))
        return unit.seconds;
  return {};
}

bool means(const std::string& column, const Meaning& meaning) {
  const bool time = meaning.column == "start" || meaning.column == "end" || meaning.column == duration.column;
  return time ? unit_of(plain(column), meaning.names).has_value() : is_listed(meaning.names, plain(column));
}

// All columns that may be the start or the end of segments.
std::vector<std::string> times_in(const std::vector<std::string>& header, std::string_view ours) {
  std::vector<std::string> found;
  const auto meaning = std::ranges::find(meanings, ours, &Meaning::column);
  std::ranges::copy_if(header, std::back_inserter(found), [&](const auto& column) { return means(column, *meaning); });
  return found;
}

// The only column that has the meaning.
std::string only_column(const std::vector<std::string>& header, const Meaning& meaning) {
  std::string found;
  for (const std::string& column : header) {
    if (!means(column, meaning)) continue;
    if (plain(column) == meaning.column) return column;
    if (!found.empty()) return "";
    found = column;
  }
  return found;
}

struct SegmentColumns {
  std::string start, end;  // both, or none
};

// The columns of segments: start and end, start and duration, or offset and duration.
SegmentColumns segment_columns(const std::vector<std::string>& header) {
  std::string start = column_like(header, "start"), end = column_like(header, "end");
  const std::string length = only_column(header, duration);
  if (!length.empty() && start.empty() && plain(end).starts_with("offset")) start = std::exchange(end, "");
  if (!start.empty() && end.empty()) end = length;
  return start.empty() || end.empty() ? SegmentColumns{} : SegmentColumns{start, end};
}

}  // namespace

std::string column_like(const std::vector<std::string>& header, std::string_view ours) {
  if (std::ranges::find(header, ours) != header.end()) return std::string(ours);
  return only_column(header, *std::ranges::find(meanings, ours, &Meaning::column));
}

TimeColumn time_column(const std::string& column) {
  const std::string name = plain(column);
  if (const auto unit = unit_of(name, duration.names)) return {*unit, true};
  for (const char* ours : {"start", "end"})
    if (const auto unit = unit_of(name, std::ranges::find(meanings, ours, &Meaning::column)->names))
      return {*unit, false};
  return {};
}

std::string conversion_command(const std::vector<std::string>& header, const std::string& file) {
  std::string command = "loralens corpus table " + shell_word(file);
  const auto [start, end] = segment_columns(header);
  for (const Meaning& meaning : meanings) {
    const std::string column = meaning.column == "start" ? start
                               : meaning.column == "end" ? end
                                                         : column_like(header, meaning.column);
    const bool needed = meaning.column == "path" || meaning.column == "label";
    if (column == meaning.column || (column.empty() && !needed)) continue;
    command += fmt::format(" --{}-column {}", meaning.column, column.empty() ? "COLUMN" : shell_word(column));
  }
  const Path path(file);
  return command + " -o " + shell_word((path.parent_path() / path.stem()).string() + "-clips.csv");
}

std::string note_on_segments(const std::vector<std::string>& header, const std::string& file) {
  const auto [start, end] = segment_columns(header);
  if (start.empty()) {
    std::vector<std::string> times = times_in(header, "start");
    const std::vector<std::string> ends = times_in(header, "end");
    if (times.empty() || ends.empty() || times.size() + ends.size() < 3) return "";
    times.insert(times.end(), ends.begin(), ends.end());
    return fmt::format(
        "whole files are taken, and the columns {} are kept as others; if two of them are the start and the end of "
        "segments, name these to 'loralens corpus table' with --start-column and --end-column",
        shown(fmt::format("{}", fmt::join(times, ", "))));
  }
  if (start == "start" || end == "end") return "";
  const auto of_end = time_column(end);
  if (time_column(start).seconds == 0 || of_end.seconds == 0)
    return fmt::format(
        "whole files are taken, and the columns '{}' and '{}', which seem to count samples, are kept as others; for "
        "segments, divide them by the sample rate and call them start and end",
        shown(start), shown(end));
  return fmt::format(
      "whole files are taken, and the columns '{}' and '{}' are kept as others; if they are the start and the {} of "
      "segments, in {}, run: {}",
      shown(start), shown(end), of_end.duration ? "duration" : "end", of_end.seconds == 1 ? "seconds" : "milliseconds",
      conversion_command(header, file));
}

}  // namespace loralens
