// SPDX-License-Identifier: Apache-2.0
// The depth centroid of Shapley shares, and its comparison with random draws over several folds.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace loralens {

// C = Σ l |φ_l| / Σ |φ_l| over layers l with shares φ_l. NaN if all shares are 0.
double depth_centroid(std::span<const int64_t> layers, std::span<const double> shares);

// A value of each fold beside m draws of the same fold under the null hypothesis.
struct FoldDraws {
  double value;
  std::vector<double> draws;  // m >= 2
};

struct DrawTest {
  double difference;  // mean over folds of value - mean of the fold's draws
  double error;  // its standard error under the null hypothesis, from the draws' variance, pooled over folds
  double degrees;  // F (m - 1): degrees of freedom of this variance
  double z() const { return difference / error; }
  double p_high() const;  // one-sided: P(T >= z) of Student's t
};

// Draws of different folds are independent. Error without folds or for fewer than two draws.
DrawTest compare_with_draws(std::span<const FoldDraws> folds);

}  // namespace loralens
