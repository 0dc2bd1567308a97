// SPDX-License-Identifier: Apache-2.0
#include "statistics/calibration.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace loralens {

Calibration calibration(std::span<const double> confidence, const std::vector<bool>& right, int64_t bins) {
  if (confidence.empty() || confidence.size() != right.size())
    fail("calibration needs an outcome for each of at least one prediction, not {} for {}", right.size(),
         confidence.size());
  if (bins < 1) fail("calibration needs at least one bin, not {}", bins);
  Calibration result;
  for (int64_t b = 0; b < bins; ++b)
    result.bins.push_back({.low = static_cast<double>(b) / static_cast<double>(bins),
                           .high = static_cast<double>(b + 1) / static_cast<double>(bins)});
  for (size_t i = 0; i < confidence.size(); ++i) {
    if (!(confidence[i] >= 0 && confidence[i] <= 1)) fail("a confidence of {} is no probability", confidence[i]);
    const auto bin = std::ranges::lower_bound(result.bins, confidence[i], {}, &CalibrationBin::high);
    ++bin->predictions;
    bin->confidence += confidence[i];
    bin->accuracy += right[i] ? 1 : 0;
  }
  for (CalibrationBin& bin : result.bins) {
    result.ece += std::abs(bin.accuracy - bin.confidence) / static_cast<double>(confidence.size());
    bin.confidence /= static_cast<double>(bin.predictions);  // 0 / 0 is NaN
    bin.accuracy /= static_cast<double>(bin.predictions);
  }
  return result;
}

}  // namespace loralens
