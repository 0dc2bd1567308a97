// SPDX-License-Identifier: Apache-2.0
// Writes and reads folds.csv.
#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "base/formats/csv.h"
#include "base/formats/csv_scan.h"
#include "base/text.h"
#include "corpus/folds/folds.h"

namespace loralens {
namespace {

// The values of the column part; "unused" marks a clip that is in no part of the fold.
constexpr std::array<std::string_view, 4> part_words = {"train", "development", "test", "unused"};
constexpr int8_t unused = 3;
constexpr int8_t no_part = -1;
constexpr int64_t most_folds = 100000;

std::vector<int64_t>& part_of(Fold& fold, size_t part) {
  return part == 0 ? fold.train : part == 1 ? fold.development : fold.test;
}

using Parts = std::vector<int8_t>;  // the part of each clip in one fold

struct Columns {
  size_t id = 0, fold = 0, part = 0;
};

Columns columns_of(const std::vector<std::string>& header, const std::string& name) {
  const auto place = [&](const char* column) -> size_t {
    const auto found = std::find(header.begin(), header.end(), column);
    if (found == header.end()) fail("{}: a table of folds has the columns id,fold,part", name);
    return found - header.begin();
  };
  return {place("id"), place("fold"), place("part")};
}

int64_t fold_number(const std::string& cell, const std::string& name, size_t row) {
  int64_t fold = -1;
  const auto [stop, error] = std::from_chars(cell.data(), cell.data() + cell.size(), fold);
  if (error != std::errc() || stop != cell.data() + cell.size() || fold < 0 || fold >= most_folds)
    fail("{}: row {}: '{}' is no number of a fold: they count from 0", name, row, cell);
  return fold;
}

Fold fold_of(const Parts& parts, size_t number, const std::string& name, const Clips& clips) {
  Fold fold;
  for (size_t clip = 0; clip < parts.size(); ++clip) {
    if (parts[clip] == no_part)
      fail("{}: fold {} has no row for the clip {}: give every clip a part in each fold", name, number,
           clips.clips[clip].id);
    if (parts[clip] != unused) part_of(fold, parts[clip]).push_back(static_cast<int64_t>(clip));
  }
  if (fold.train.empty() || fold.test.empty())
    fail("{}: fold {} has no {} part", name, number, fold.train.empty() ? "train" : "test");
  return fold;
}

// ", but one has it in another spelling: ..." if a clip's id differs only in case, spaces or Unicode form; else "".
std::string spelled_otherwise(const std::string& id, const Clips& clips) {
  const std::string meant = folded(id);
  for (const Clip& clip : clips.clips)
    if (folded(clip.id) == meant) return fmt::format(", but one has it in another spelling: {}: write it so", clip.id);
  return "";
}

}  // namespace

void write_folds(const Path& csv, const Clips& clips, const std::vector<Fold>& folds) {
  std::string text = "id,fold,part\n";
  for (size_t f = 0; f < folds.size(); ++f) {
    Fold fold = folds[f];
    Parts parts(clips.clips.size(), unused);
    for (size_t part = 0; part < unused; ++part)
      for (const int64_t clip : part_of(fold, part)) parts[clip] = static_cast<int8_t>(part);
    for (size_t clip = 0; clip < parts.size(); ++clip)
      text += format_csv_row(
          {clips.clips[clip].id, std::to_string(f), std::string(part_words[static_cast<uint8_t>(parts[clip])])});
  }
  write_file(csv, text);
}

std::vector<Fold> read_folds(const Path& csv, const Clips& clips, const std::set<std::string>& left_out) {
  const std::string name = csv.string();
  std::unordered_map<std::string_view, size_t> numbers;
  numbers.reserve(clips.clips.size());
  for (size_t i = 0; i < clips.clips.size(); ++i) numbers.emplace(clips.clips[i].id, i);

  std::vector<Parts> parts;
  Columns columns;
  scan_csv(csv, [&](size_t row, std::vector<std::string>& cells) {
    if (row == 1) {
      columns = columns_of(cells, name);
      return;
    }
    const std::string &id = cells[columns.id], &part = cells[columns.part];
    if (left_out.contains(id)) return;
    const auto clip = numbers.find(id);
    if (clip == numbers.end())
      fail("{}: row {}: no clip of the corpus has the id {}{}", name, row, shown(id), spelled_otherwise(id, clips));
    const auto found = std::find(part_words.begin(), part_words.end(), part);
    if (found == part_words.end())
      fail("{}: row {}: '{}' is no part: write train, development, test or unused", name, row, part);
    const size_t f = fold_number(cells[columns.fold], name, row);
    while (parts.size() <= f) parts.emplace_back();
    if (parts[f].empty()) parts[f].assign(clips.clips.size(), no_part);
    auto& slot = parts[f][clip->second];
    if (slot != no_part) fail("{}: row {}: the clip {} is in fold {} already", name, row, id, f);
    slot = static_cast<int8_t>(found - part_words.begin());
  });
  if (parts.empty()) fail("{}: there are no folds below the header", name);
  std::vector<Fold> folds;
  for (size_t f = 0; f < parts.size(); ++f) {
    if (parts[f].empty()) fail("{}: fold {} has no rows: folds count from 0 without gaps", name, f);
    folds.push_back(fold_of(parts[f], f, name, clips));
  }
  return folds;
}

}  // namespace loralens
