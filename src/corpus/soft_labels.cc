// SPDX-License-Identifier: Apache-2.0
#include "corpus/soft_labels.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/range.h"
#include "base/text.h"
#include "corpus/labels.h"

namespace loralens {
namespace {

constexpr const char* soft_labels_flag = "--soft-labels";

double votes_in(const std::string& cell, const std::string& column, const Clip& clip) {
  const auto votes = parse_number<double>(cell);
  if (!votes)
    fail("{}: the clip '{}' has '{}' in the column '{}': write the number of votes, 0 for none", soft_labels_flag,
         clip.id, shown(cell), column);
  if (*votes < 0) fail("{}: the clip '{}' has {} votes in the column '{}'", soft_labels_flag, clip.id, cell, column);
  return *votes;
}

}  // namespace

VoteColumns parse_vote_columns(std::string_view text) {
  LabelMap map = parse_label_map(text, soft_labels_flag);
  if (!map.drop_rest) fail("{}: '*' is no column of votes: give pairs column=class", soft_labels_flag);
  return std::move(map.to);
}

std::vector<std::vector<double>> soft_labels(const Clips& clips, const std::vector<std::string>& classes,
                                             const VoteColumns& columns) {
  std::vector<std::vector<double>> rows(clips.clips.size(), std::vector<double>(classes.size()));
  std::vector<bool> named(classes.size());
  for (const auto& [column, name] : columns) {
    const auto place = static_cast<size_t>(std::ranges::find(classes, name) - classes.begin());
    if (place == classes.size())
      fail("{}: the column '{}' is for '{}', which is none of the classes {}", soft_labels_flag, column, name,
           fmt::join(classes, ", "));
    if (!has_column(clips, column)) fail("{}: the table of clips has no column '{}'", soft_labels_flag, column);
    named[place] = true;
    const auto cells = column_values(clips, column);
    for (size_t i = 0; i < cells.size(); ++i) rows[i][place] += votes_in(cells[i], column, clips.clips[i]);
  }
  for (size_t c = 0; c < classes.size(); ++c)
    if (!named[c])
      fail("{}: the class '{}' has no column of votes: add column={}", soft_labels_flag, classes[c], classes[c]);
  for (size_t i = 0; i < rows.size(); ++i) {
    const double sum = std::accumulate(rows[i].begin(), rows[i].end(), 0.0);
    if (sum <= 0 || !std::isfinite(sum))
      fail("{}: the clip '{}' has {} votes in all: leave it out of the table, or give its votes", soft_labels_flag,
           clips.clips[i].id, sum);
    for (double& votes : rows[i]) votes /= sum;
  }
  return rows;
}

}  // namespace loralens
