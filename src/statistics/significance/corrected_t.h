// SPDX-License-Identifier: Apache-2.0
// The corrected t test over folds (Nadeau and Bengio, Inference for the Generalization Error, Machine Learning 52,
// 2003). The trainings of a cross-validation share clips, so the variance of their mean is larger than that of K
// independent values.
#pragma once

#include <span>

namespace loralens {

struct CorrectedT {
  double mean = 0;  // of the differences: the estimand is "fold-mean"
  double error = 0;  // √((1/K + 1/(K - 1)) · variance over folds)
  double p = 1;  // two-sided, Student's t with K - 1 degrees of freedom
};

// differences: the difference of the scores of each of K folds, averaged over runs. p is 1 if all are zero and 0 if all
// are another number. Error for fewer than two folds.
CorrectedT corrected_t(std::span<const double> differences);

}  // namespace loralens
