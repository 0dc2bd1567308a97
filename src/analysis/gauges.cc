// SPDX-License-Identifier: Apache-2.0
#include "analysis/gauges.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/matmul.h>

#include "statistics/normal_values.h"
#include "statistics/singular_spectrum.h"

namespace loralens {
namespace {

using at::Tensor;

Factor factor_of(const Tensor& b) { return {b, std::get<1>(at::linalg_qr(b))}; }

// Orthonormal columns (rows×columns), uniformly distributed: the signs make the decomposition unique (Mezzadri, 2007).
Tensor random_directions(int64_t rows, int64_t columns, Random& random) {
  const auto [q, r] = at::linalg_qr(normal_values({rows, columns}, random));
  return q * r.diagonal().sign();
}

Gauge gauge_of(std::string name, const Tensor& change, const Tensor& b, Random& random) {
  Gauge gauge{std::move(name), change, factor_of(b), {}};
  const Tensor values = singular_directions(b).values;
  for (int64_t draw = 0; draw < random_factors; ++draw) {
    const Tensor left = random_directions(b.size(0), values.size(0), random);
    const Tensor right = random_directions(b.size(1), values.size(0), random);
    gauge.random.push_back(factor_of(at::matmul(left * values, right.t())));
  }
  return gauge;
}

}  // namespace

std::vector<Gauge> gauges_of(const Factors& factors, uint64_t seed) {
  Random random(seed);
  const Tensor b = factors.b.detach().cpu().to(c10::ScalarType::Double);
  const BalancedGauge balanced = balanced_gauge(factors.a.detach().cpu(), b);
  return {gauge_of("", at::eye(b.size(1), c10::ScalarType::Double), b, random),
          gauge_of("balanced", balanced.change, balanced.b, random)};
}

}  // namespace loralens
