// SPDX-License-Identifier: Apache-2.0
// Calibration of predicted probabilities: reliability diagram and expected calibration error (ECE) of the top label
// (Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, ICML 2017).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace loralens {

// Predictions whose confidence lies in (low, high]; 0 is in the first bin.
struct CalibrationBin {
  double low = 0, high = 0;
  int64_t predictions = 0;
  double confidence = 0, accuracy = 0;  // means over the bin; NaN for an empty bin
};

struct Calibration {
  double ece = 0;  // sum over bins of |accuracy - confidence| times the bin's share of predictions, in [0, 1]
  std::vector<CalibrationBin> bins;  // of equal width, over [0, 1]
};

// confidence: the probability of the predicted class, in [0, 1]. right: whether the prediction is correct; same length.
// Error for no predictions, different lengths, no bin, or a confidence outside [0, 1].
Calibration calibration(std::span<const double> confidence, const std::vector<bool>& right, int64_t bins = 15);

}  // namespace loralens
