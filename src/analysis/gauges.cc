// SPDX-License-Identifier: Apache-2.0
#include "analysis/gauges.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_qr.h>

#include "statistics/singular_spectrum.h"

namespace loralens {
namespace {

using at::Tensor;

Factor factor_of(const Tensor& b) { return {b, std::get<1>(at::linalg_qr(b))}; }

}  // namespace

std::vector<Gauge> gauges_of(const Factors& factors) {
  const Tensor b = factors.b.detach().cpu().to(c10::ScalarType::Double);
  const BalancedGauge balanced = balanced_gauge(factors.a.detach().cpu(), b);
  return {{"", at::eye(b.size(1), c10::ScalarType::Double), factor_of(b)},
          {"balanced", balanced.change, factor_of(balanced.b)}};
}

}  // namespace loralens
