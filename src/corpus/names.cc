// SPDX-License-Identifier: Apache-2.0
#include "corpus/names.h"

#include <array>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"

namespace loralens {
namespace {

constexpr const char* letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

struct NameColumn {
  const char* name;
  std::string Clip::* member;
  bool of_corpus;  // equal names in two corpora are different names, so spellings are compared within a corpus
};

constexpr std::array<NameColumn, 7> name_columns{{{"label", &Clip::label, false},
                                                  {"speaker", &Clip::speaker, true},
                                                  {"session", &Clip::session, true},
                                                  {"corpus", &Clip::corpus, false},
                                                  {"language", &Clip::language, false},
                                                  {"gender", &Clip::gender, false},
                                                  {"intensity", &Clip::intensity, false}}};

void check_name(const std::string& value, const char* column, size_t clip, const PlaceOf& place) {
  if (value.empty()) return;
  if (!is_utf8(value))
    fail("{}: the {} '{}' is not UTF-8: rename the file or folder, or save the table as UTF-8", place(clip), column,
         shown(value));
  if (has_control_character(value))
    fail("{}: the {} '{}' holds a line break or another control character: remove it", place(clip), column,
         shown(value));
  const bool visible = value.find_first_of(letters) != std::string::npos;  // a quick test that avoids folding
  if (!visible && folded(value).empty())
    fail("{}: the {} '{}' holds spaces or invisible characters alone: write a name, or leave it empty", place(clip),
         column, value);
}

void check_text(const std::string& value, const std::string& column, size_t clip, const PlaceOf& place) {
  if (is_utf8(value) && value.find('\0') == std::string::npos) return;
  fail("{}: the {} '{}' is not UTF-8 or holds a zero byte: save the table as UTF-8", place(clip), column, shown(value));
}

// Finds different spellings of one name among values that are added one by one.
class Spellings {
 public:
  // The number of an earlier value with the same key and name in another spelling; nullopt if there is none.
  std::optional<size_t> add(const std::string& key, const std::string& value, size_t number) {
    if (value.empty() || !seen_.emplace(key + '\0' + value, number).second) return {};
    const auto [first, fresh] = names_.emplace(key + '\0' + folded_name(value), number);
    if (fresh) return {};
    return first->second;
  }

 private:
  std::unordered_map<std::string, size_t> seen_, names_;
};

const std::string& mapped(const std::string& label, const LabelMap& labels) {
  static const std::string dropped;
  const auto found = labels.to.find(label);
  if (found != labels.to.end()) return found->second;
  return labels.drop_rest ? dropped : label;
}

}  // namespace

void check_cells(const Clips& clips, const PlaceOf& place) {
  for (size_t i = 0; i < clips.clips.size(); ++i) {
    const Clip& clip = clips.clips[i];
    check_name(clip.id, "path", i, place);
    for (const auto& column : name_columns) check_name(clip.*column.member, column.name, i, place);
    check_text(clip.text, "text", i, place);
    for (size_t c = 0; c < clip.extra.size(); ++c) check_text(clip.extra[c], clips.extra_columns[c], i, place);
  }
}

std::vector<TwoSpellings> spellings_of(std::span<const Clip* const> clips, const LabelMap& labels) {
  std::vector<TwoSpellings> all;
  for (const auto& column : name_columns) {
    Spellings spellings;
    const bool label = column.member == &Clip::label;
    const auto value_of = [&](size_t clip) -> const std::string& {
      return label ? mapped(clips[clip]->label, labels) : clips[clip]->*column.member;
    };
    for (size_t i = 0; i < clips.size(); ++i) {
      if (!label && mapped(clips[i]->label, labels).empty()) continue;  // dropped
      const std::string corpus = column.of_corpus ? folded_name(clips[i]->corpus) : "";
      if (const auto other = spellings.add(corpus, value_of(i), i)) {
        all.push_back({column.name, *other, i, value_of(*other), value_of(i)});
        break;
      }
    }
  }
  return all;
}

std::vector<TwoSpellings> spellings_of(const Clips& clips, const LabelMap& labels) {
  std::vector<const Clip*> pointers;
  for (const Clip& clip : clips.clips) pointers.push_back(&clip);
  return spellings_of(pointers, labels);
}

std::string describe(const TwoSpellings& pair, const PlaceOf& place) {
  return fmt::format("the {} '{}' ({}) and '{}' ({}) are one name in two spellings", pair.column, shown(pair.name),
                     place(pair.first), shown(pair.other), place(pair.second));
}

void check_spellings(std::span<const Clip* const> clips, const LabelMap& labels, const PlaceOf& place) {
  const auto pairs = spellings_of(clips, labels);
  if (pairs.empty()) return;
  const bool label = pairs.front().column == "label";
  fail("{}: write them alike, or so that more than case, spaces and leading zeros differs{}",
       describe(pairs.front(), place), label ? ", or map them to one class with --labels" : "");
}

int64_t unify_spellings(Clips& clips, std::string Clip::* column) {
  std::unordered_map<std::string, std::string> names;
  int64_t changed = 0;
  for (Clip& clip : clips.clips) {
    const std::string& name = names.emplace(folded_name(clip.*column), clip.*column).first->second;
    changed += name != clip.*column;
    clip.*column = name;
  }
  return changed;
}

std::optional<std::pair<size_t, size_t>> two_spellings(std::span<const std::string> values) {
  Spellings spellings;
  for (size_t i = 0; i < values.size(); ++i)
    if (const auto other = spellings.add("", values[i], i)) return std::pair(*other, i);
  return {};
}

}  // namespace loralens
