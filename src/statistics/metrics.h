// SPDX-License-Identifier: Apache-2.0
// Classification metrics from a confusion matrix: unweighted and weighted average recall, macro F1; mean and spread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace loralens {

// A confusion matrix. C = classes.
struct Confusion {
  int64_t classes = 0;
  std::vector<int64_t> counts;  // C*C, [truth * C + predicted]

  Confusion() = default;
  explicit Confusion(int64_t classes) : classes(classes), counts(classes * classes) {}

  // Counts one clip. Error if a class is not in [0, C).
  void add(int64_t truth, int64_t predicted);
  int64_t at(int64_t truth, int64_t predicted) const { return counts[truth * classes + predicted]; }
};

// The weighted sum of confusion matrices, groups[0] * times[0] + groups[1] * times[1] + ...; an empty `times` means
// once each. Error if there is no group, the numbers of classes differ, or `times` has another length.
Confusion pooled(std::span<const Confusion> groups, std::span<const int64_t> times = {});

// Recall of each class, in [0, 1]; NaN for a class that has no clip. Shape C.
std::vector<double> recalls(const Confusion& confusion);

// Unweighted average recall: the mean of recalls over the classes that have clips. Error if nothing was counted.
double uar(const Confusion& confusion);
// Weighted average recall = accuracy. Error if nothing was counted.
double war(const Confusion& confusion);
// Mean F1 over the classes that occur in truth or prediction; a class that is never predicted or never true counts 0,
// as in scikit-learn's f1_score(average="macro", zero_division=0). Error if nothing was counted.
double macro_f1(const Confusion& confusion);

struct Summary {
  double mean = 0, std = 0;
};

// Mean and standard deviation; the sum of squares is divided by n - ddof (0 or 1). The std of a single value is 0.
// Error if there is no value.
Summary summarise(std::span<const double> values, int ddof);

}  // namespace loralens
