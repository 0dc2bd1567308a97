// SPDX-License-Identifier: Apache-2.0
#include "corpus/labels.h"

#include <cctype>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace loralens {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

void add_item(LabelMap& map, std::string_view item, const std::string& name) {
  if (item == "*") {
    map.drop_rest = false;
    return;
  }
  const auto equals = item.find('=');
  const auto from = trimmed(item.substr(0, equals));
  const auto to = equals == std::string_view::npos ? from : trimmed(item.substr(equals + 1));
  if (from.empty() || to.empty()) fail("{}: '{}' is no pair label=class", name, item);
  if (!map.to.emplace(from, to).second) fail("{}: the label '{}' is given twice", name, from);
}

// A class, and the words and codes for it in public corpora, in lower case.
using Words = std::pair<const char*, std::vector<const char*>>;

const std::vector<Words> four = {{"anger", {"anger", "angry", "ang"}},
                                 {"happiness", {"happiness", "happy", "hap", "joy", "excitement", "excited", "exc"}},
                                 {"neutral", {"neutral", "neu"}},
                                 {"sadness", {"sadness", "sad"}}};
const std::vector<Words> three_more = {{"disgust", {"disgust", "disgusted", "dis"}},
                                       {"fear", {"fear", "fearful", "fea"}},
                                       {"surprise", {"surprise", "surprised", "sur"}}};

// Maps each word in lower case, in capitals and capitalised.
LabelMap map_of(const std::vector<Words>& classes) {
  LabelMap map;
  for (const auto& [name, words] : classes)
    for (std::string word : words) {
      map.to.emplace(word, name);
      word[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(word[0])));
      map.to.emplace(word, name);
      for (char& c : word) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      map.to.emplace(word, name);
    }
  return map;
}

}  // namespace

LabelMap parse_label_map(std::string_view text, const std::string& name) {
  LabelMap map;
  while (!text.empty()) {
    const auto line_end = text.find('\n');
    auto line = trimmed(text.substr(0, line_end));
    text.remove_prefix(line_end == std::string_view::npos ? text.size() : line_end + 1);
    if (line.starts_with('#')) continue;
    while (!line.empty()) {
      const auto comma = line.find(',');
      const auto item = trimmed(line.substr(0, comma));
      line.remove_prefix(comma == std::string_view::npos ? line.size() : comma + 1);
      if (!item.empty()) add_item(map, item, name);
    }
  }
  if (map.to.empty() && map.drop_rest) fail("{}: the label map is empty: give pairs such as ang=anger", name);
  return map;
}

LabelMap four_classes() { return map_of(four); }

LabelMap seven_classes() {
  auto map = map_of(four);
  map.to.merge(map_of(three_more).to);
  return map;
}

LabelMap label_map_of(const std::string& option) {
  if (option == "four") return four_classes();
  if (option == "seven") return seven_classes();
  if (option == "*" || option.find_first_of("=,") != std::string::npos) return parse_label_map(option, "labels");
  std::error_code code;
  if (!std::filesystem::is_regular_file(option, code))
    fail("labels '{}' is neither 'four', 'seven', a list such as ang=anger,sad=sadness, nor a file that holds one",
         option);
  return parse_label_map(read_text(option), option);
}

std::map<std::string, int64_t> apply_labels(Clips& clips, const LabelMap& map) {
  std::map<std::string, std::string> spellings;
  for (const auto& [label, name] : map.to) spellings.emplace(folded_name(label), label);
  std::map<std::string, int64_t> dropped;
  std::vector<Clip> kept;
  kept.reserve(clips.clips.size());
  for (auto& clip : clips.clips) {
    const auto found = map.to.find(clip.label);
    if (const auto meant = spellings.find(folded_name(clip.label)); found == map.to.end() && meant != spellings.end())
      fail(
          "{}: the label '{}' is '{}' of the label map in another spelling: write it so in the table, or name both in "
          "the map",
          clip.id, shown(clip.label), meant->second);
    if (found == map.to.end() && map.drop_rest) {
      ++dropped[clip.label];
      continue;
    }
    if (found != map.to.end()) clip.label = found->second;
    kept.push_back(std::move(clip));
  }
  clips.clips = std::move(kept);
  if (clips.clips.empty()) {
    std::string labels;
    for (const auto& [label, count] : dropped) labels += (labels.empty() ? "" : ", ") + label;
    fail("the label map keeps no clip: it names none of the labels {}", labels);
  }
  return dropped;
}

}  // namespace loralens
