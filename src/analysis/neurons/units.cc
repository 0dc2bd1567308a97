// SPDX-License-Identifier: Apache-2.0
#include "analysis/neurons/units.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace loralens {

using at::Tensor;

int64_t chosen_units(int64_t hidden) { return std::max<int64_t>(1, hidden / 100); }

Tensor selectivity_of(const ClassMeans& means, const Tensor& deviation) {
  const Tensor differences = means.differences();
  return at::where(deviation > 0, differences / deviation, at::zeros_like(differences));
}

ClassUnits most_selective(const Tensor& selectivity, int64_t n) {
  const Tensor chosen = std::get<1>(at::topk(selectivity, n, 1)).contiguous();
  ClassUnits units;
  for (int64_t c = 0; c < chosen.size(0); ++c) {
    const auto* first = chosen.const_data_ptr<int64_t>() + c * n;
    units.emplace_back(first, first + n);
  }
  return units;
}

ClassUnits random_units(int64_t classes, int64_t hidden, int64_t n, Random& random) {
  std::vector<int64_t> all(hidden);
  std::iota(all.begin(), all.end(), int64_t{0});
  ClassUnits units;
  for (int64_t c = 0; c < classes; ++c) {
    for (int64_t i = 0; i < n; ++i) std::swap(all[i], all[i + static_cast<int64_t>(random.below(hidden - i))]);
    units.emplace_back(all.begin(), all.begin() + n);
  }
  return units;
}

UnitScaling::UnitScaling(const std::vector<ClassUnits>& units, int64_t hidden, double factor, Tensor row_classes)
    : row_classes_(std::move(row_classes)) {
  for (const ClassUnits& of_layer : units) {
    Tensor factors = at::ones({std::ssize(of_layer), hidden}, c10::ScalarType::Double);
    auto rows = factors.accessor<double, 2>();
    for (size_t c = 0; c < of_layer.size(); ++c)
      for (const int64_t unit : of_layer[c]) rows[static_cast<int64_t>(c)][unit] = factor;
    factors_.push_back(std::move(factors));
  }
}

Tensor UnitScaling::replace(const Pass&, const Site& site, const Tensor& value, int64_t) {
  return value * factors_[site.layer].to(value.options()).index_select(0, row_classes_);
}

}  // namespace loralens
