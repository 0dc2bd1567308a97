// SPDX-License-Identifier: Apache-2.0
// The confusion matrices of test_numbers_validity.h as runs.
#pragma once

#include <vector>

#include "statistics/intervals/pooled_scores.h"
#include "statistics/test_numbers_validity.h"

namespace loralens {

// The runs of method 0 or 1: [run][speaker].
inline std::vector<std::vector<Confusion>> runs_of(const expected::Pooled& numbers, int64_t method) {
  const int64_t cells = numbers.classes * numbers.classes;
  std::vector<std::vector<Confusion>> runs;
  for (int64_t r = 0; r < numbers.runs; ++r) {
    runs.emplace_back();
    for (int64_t s = 0; s < numbers.speakers; ++s) {
      const auto first = numbers.counts.begin() + ((method * numbers.runs + r) * numbers.speakers + s) * cells;
      runs.back().emplace_back(numbers.classes);
      runs.back().back().counts.assign(first, first + cells);
    }
  }
  return runs;
}

}  // namespace loralens
