// SPDX-License-Identifier: Apache-2.0
// Intruder dimensions of adapted weights at several thresholds of the cosine, beside their number for random updates
// with the same singular values (statistics/nulls/intruder_draws.h).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "analysis/spectrum/curves.h"
#include "statistics/singular_spectrum.h"

namespace loralens {

inline constexpr double intruder_cosines[] = {0.3, 0.5, 0.7};
inline constexpr int64_t intruder_draw_count = 199;

class Intruders {
 public:
  explicit Intruders(const Setting& setting) : setting_(setting) {}

  // Adds the rows of one place: variant cosine-<threshold>, metric intruders. base, update, whole: of W, ΔW, W + ΔW; k:
  // the rank of ΔW.
  void add(int64_t fold, const RowKey& place, const SingularDirections& base, const SingularDirections& update,
           const SingularDirections& whole, int64_t rank, SpectrumCurves& curves);
  // Sets p values and null distributions of these rows. The random updates of a place have its singular values,
  // averaged over folds and runs.
  void annotate(std::vector<Row>& rows) const;
  std::vector<std::string> notes() const;

 private:
  struct Of {
    std::map<int64_t, std::vector<double>> counts;  // by fold: at each threshold
    at::Tensor weight_values, update_values;  // update_values: the sum over folds
    int64_t out = 0, in = 0;
  };

  const Setting& setting_;
  std::map<RowKey, Of> places_;
  bool too_many_ = false;  // whether a ΔW had too many singular values for a null distribution
};

}  // namespace loralens
