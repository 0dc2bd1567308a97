// SPDX-License-Identifier: Apache-2.0
// Error rates of transcripts: the words of a text, and the edit distance of two sequences (Levenshtein, 1966).
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace loralens {

// The words of a text that is folded() (case, compatibility characters): every character other than a letter, a mark, a
// number or an apostrophe within a word separates words.
std::vector<std::string> words_of(std::string_view text);

// The fewest insertions, deletions and substitutions that turn `from` into `to`. Time |from|·|to|, memory |to|.
template <typename T>
int64_t edit_distance(const std::vector<T>& from, const std::vector<T>& to) {
  std::vector<int64_t> row(to.size() + 1);  // distances of the first i elements of `from`
  std::iota(row.begin(), row.end(), int64_t{0});
  for (size_t i = 0; i < from.size(); ++i) {
    int64_t diagonal = row[0]++;
    for (size_t j = 0; j < to.size(); ++j) {
      const int64_t substituted = diagonal + (from[i] != to[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

// Edits over the length of the reference, which counts as at least 1.
template <typename T>
double error_rate(const std::vector<T>& found, const std::vector<T>& reference) {
  const auto length = static_cast<double>(std::max<size_t>(reference.size(), 1));
  return static_cast<double>(edit_distance(reference, found)) / length;
}

}  // namespace loralens
