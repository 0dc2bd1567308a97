// SPDX-License-Identifier: Apache-2.0
#include "analysis/components/intruder_pairs.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "statistics/singular_spectrum.h"

namespace loralens {

using at::Tensor;

IntruderPairs intruder_pairs(const Tensor& weight, const Tensor& change) {
  const IntruderOptions options;
  const SingularDirections base = singular_directions(weight), whole = singular_directions(weight + change);
  const Tensor nearest = at::amax(at::matmul(base.left.t(), whole.left).abs(), {0}).contiguous();
  const Tensor values = whole.values.contiguous();
  const auto cosines = nearest.accessor<double, 1>(), sigma = values.accessor<double, 1>();
  IntruderPairs pairs;
  std::vector<int64_t> intruders;
  std::set<int64_t> free;
  for (int64_t i = 0; i < values.size(0); ++i) {
    if (cosines[i] >= options.cosine)
      free.insert(i);
    else if (i < options.directions)
      intruders.push_back(i);
  }
  for (const int64_t intruder : intruders) {
    const auto distance = [&](int64_t i) { return std::abs(sigma[i] - sigma[intruder]); };
    const auto best = std::ranges::min_element(free, {}, distance);
    if (best == free.end()) break;  // the others have no partner
    pairs.intruders.push_back(intruder);
    pairs.ordinary.push_back(*best);
    pairs.intruder_values.push_back(sigma[intruder]);
    pairs.ordinary_values.push_back(sigma[*best]);
    free.erase(best);
  }
  std::vector<int64_t> all = pairs.intruders;
  all.insert(all.end(), pairs.ordinary.begin(), pairs.ordinary.end());
  const Tensor index = at::tensor(all, c10::ScalarType::Long);
  pairs.left = (whole.left * values).index_select(1, index);
  pairs.right = whole.right.index_select(1, index);
  return pairs;
}

}  // namespace loralens
