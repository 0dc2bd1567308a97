// SPDX-License-Identifier: Apache-2.0
#include "corpus/groups.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "corpus/names.h"

namespace loralens {
namespace {

bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
}

// Replaces texts that differ only in case, Unicode form or invisible characters by the first of them.
void unify_texts(std::vector<std::string>& texts) {
  std::unordered_map<std::string, std::string> first;
  for (auto& text : texts) text = first.emplace(folded(text), text).first->second;
}

}  // namespace

Groups groups_of(const std::vector<std::string>& values) {
  std::unordered_map<std::string_view, int64_t> places;
  for (const auto& value : values) places.emplace(value, 0);
  Groups groups;
  for (const auto& [value, place] : places) groups.names.emplace_back(value);
  std::sort(groups.names.begin(), groups.names.end());
  for (size_t i = 0; i < groups.names.size(); ++i) places[groups.names[i]] = static_cast<int64_t>(i);
  groups.of_clip.reserve(values.size());
  for (const auto& value : values) groups.of_clip.push_back(places[value]);
  return groups;
}

std::string spoken_words(std::string_view text) {
  std::string words;
  bool gap = false;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '\'') continue;  // don't and dont are one word
    if (!is_word_byte(c)) {
      gap = true;
      continue;
    }
    if (gap && !words.empty()) words += ' ';
    gap = false;
    words += c;
  }
  return words.empty() ? std::string(text) : words;
}

std::vector<std::string> group_values(const Clips& clips, const std::string& column) {
  auto values = column_values(clips, column);
  if (column == "text") {
    for (auto& value : values) value = spoken_words(value);
    unify_texts(values);
  }
  if (column != "speaker") return values;
  const auto& all = clips.clips;
  const bool several = std::any_of(all.begin(), all.end(), [&](const Clip& c) { return c.corpus != all[0].corpus; });
  if (several)
    for (size_t i = 0; i < all.size(); ++i)
      if (!values[i].empty() && !all[i].corpus.empty() && !values[i].starts_with(all[i].corpus + "/"))
        values[i] = all[i].corpus + "/" + values[i];
  return values;
}

Groups full_groups(const Clips& clips, const std::string& column, const std::string& what) {
  const auto values = group_values(clips, column);
  // Only extra columns: read_corpora has checked the spellings of the others, within each corpus.
  const bool extra = std::ranges::find(clips.extra_columns, column) != clips.extra_columns.end();
  if (const auto pair = extra ? two_spellings(values) : std::nullopt)
    fail("{}: the {} '{}' ({}) and '{}' ({}) are one name in two spellings: write them alike", what, column,
         shown(values[pair->first]), clips.clips[pair->first].id, shown(values[pair->second]),
         clips.clips[pair->second].id);
  auto groups = groups_of(values);
  if (!groups.names.empty() && groups.names[0].empty()) {
    const auto empty = std::count(groups.of_clip.begin(), groups.of_clip.end(), 0);
    const auto first = std::find(groups.of_clip.begin(), groups.of_clip.end(), 0) - groups.of_clip.begin();
    fail("{}: {} of {} clips have no {}, the first is {}: fill that column, or choose other folds", what, empty,
         clips.clips.size(), column, clips.clips[first].id);
  }
  if (groups.size() < 2)
    fail(
        "{}: all clips have the {} '{}', and testing needs a second one: choose other folds (random:10 with leaks "
        "allowed mixes the clips of one speaker)",
        what, column, groups.names[0]);
  return groups;
}

Classes classes_in(const Clips& clips) {
  const auto names = classes_of(clips);
  return {std::ssize(names), class_numbers(clips, names)};
}

GroupCounts counts_of(const Groups& groups, const Classes& classes, const std::vector<int64_t>& clips) {
  GroupCounts counts(groups.size(), classes.count);
  for (const int64_t clip : clips) ++counts.at(groups.of_clip[clip], classes.of_clip[clip]);
  return counts;
}

std::vector<int64_t> all_clips(const Clips& clips) {
  std::vector<int64_t> numbers(clips.clips.size());
  std::iota(numbers.begin(), numbers.end(), int64_t{0});
  return numbers;
}

}  // namespace loralens
