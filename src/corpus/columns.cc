// SPDX-License-Identifier: Apache-2.0
#include "corpus/columns.h"

#include <algorithm>
#include <array>

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
     {"start", " start starttime startseconds begin begintime onset "},
     {"end", " end endtime endseconds stop stoptime offset "}}};

std::string plain(std::string_view name) {
  std::string text = folded(name);
  std::erase_if(text, [](char c) { return c == ' ' || c == '_' || c == '-'; });
  return text;
}

}  // namespace

std::string column_like(const std::vector<std::string>& header, std::string_view ours) {
  if (std::ranges::find(header, ours) != header.end()) return std::string(ours);
  const auto meaning = std::ranges::find(meanings, ours, &Meaning::column);
  std::string found;
  for (const std::string& column : header) {
    const std::string name = plain(column);
    if (name.empty() || meaning->names.find(" " + name + " ") == std::string_view::npos) continue;
    if (name == ours) return column;
    if (!found.empty()) return "";
    found = column;
  }
  return found;
}

std::string conversion_command(const std::vector<std::string>& header, const std::string& file) {
  std::string command = "loralens corpus table " + shell_word(file);
  for (const Meaning& meaning : meanings) {
    const std::string column = column_like(header, meaning.column);
    const bool needed = meaning.column == "path" || meaning.column == "label";
    if (column == meaning.column || (column.empty() && !needed)) continue;
    command += fmt::format(" --{}-column {}", meaning.column, column.empty() ? "COLUMN" : shell_word(column));
  }
  const Path path(file);
  return command + " -o " + shell_word((path.parent_path() / path.stem()).string() + "-clips.csv");
}

std::string note_on_segments(const std::vector<std::string>& header, const std::string& file) {
  const std::string start = column_like(header, "start"), end = column_like(header, "end");
  if (start.empty() || end.empty() || start == "start" || end == "end") return "";
  return fmt::format(
      "whole files are taken, and the columns '{}' and '{}' are kept as others; if they are the start and the end of "
      "segments, in seconds, run: {}",
      shown(start), shown(end), conversion_command(header, file));
}

}  // namespace loralens
