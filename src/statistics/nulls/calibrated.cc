// SPDX-License-Identifier: Apache-2.0
#include "statistics/nulls/calibrated.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "statistics/calibration.h"
#include "statistics/significance/random_draws.h"

namespace loralens {
namespace {

// E|X - sum of p| for X the number of successes of independent trials with these probabilities, by the exact
// distribution of X.
double expected_deviation(const std::vector<double>& p) {
  std::vector<double> probability = {1};  // of 0, 1, ... successes
  double expected = 0;
  for (const double success : p) {
    expected += success;
    probability.push_back(0);
    for (size_t k = probability.size() - 1; k > 0; --k)
      probability[k] = probability[k] * (1 - success) + probability[k - 1] * success;
    probability[0] *= 1 - success;
  }
  double sum = 0;
  for (size_t k = 0; k < probability.size(); ++k) sum += probability[k] * std::abs(static_cast<double>(k) - expected);
  return sum;
}

double probability_of_truth(std::span<const double> probabilities, int64_t truth) {
  if (truth < 0 || truth >= std::ssize(probabilities))
    fail("class {} is not among {} probabilities", truth, probabilities.size());
  return probabilities[truth];
}

}  // namespace

CalibratedError calibrated_error(std::span<const double> confidence, const std::vector<bool>& right, uint64_t seed,
                                 int64_t bins, int64_t draws) {
  if (draws < 1) fail("a calibrated model's error needs at least one draw, not {}", draws);
  const Calibration observed = calibration(confidence, right, bins);
  std::vector<std::vector<double>> in_bin(observed.bins.size());
  for (const double c : confidence) {
    const auto bin = std::ranges::lower_bound(observed.bins, c, {}, &CalibrationBin::high);
    in_bin[bin - observed.bins.begin()].push_back(c);
  }
  const auto n = static_cast<double>(confidence.size());
  CalibratedError result;
  for (const auto& of_bin : in_bin) result.mean += expected_deviation(of_bin) / n;
  Random random(seed);
  std::vector<double> errors;
  for (int64_t draw = 0; draw < draws; ++draw) {
    double error = 0;
    for (const auto& of_bin : in_bin) {
      double deviation = 0;
      for (const double c : of_bin) deviation += (random.uniform() < c ? 1 : 0) - c;
      error += std::abs(deviation) / n;
    }
    errors.push_back(error);
  }
  // The tolerance counts draws that equal the observed error up to rounding as at least as large.
  result.p = rank_p(observed.ece - 1e-12, errors);
  std::sort(errors.begin(), errors.end());
  result.high = errors[static_cast<size_t>(std::ceil(0.95 * static_cast<double>(draws))) - 1];
  return result;
}

double brier_score(std::span<const double> probabilities, int64_t truth) {
  double sum = 1 - 2 * probability_of_truth(probabilities, truth);
  for (const double p : probabilities) sum += p * p;
  return sum;
}

double log_loss(std::span<const double> probabilities, int64_t truth) {
  return -std::log(probability_of_truth(probabilities, truth));
}

}  // namespace loralens
