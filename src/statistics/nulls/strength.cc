// SPDX-License-Identifier: Apache-2.0
#include "statistics/nulls/strength.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/outer.h>

#include <cmath>
#include <limits>
#include <tuple>

#include "base/error.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr double none = std::numeric_limits<double>::quiet_NaN();

double sum_of(const Tensor& x) { return x.sum().item<double>(); }

// Σ σ_i · tr C / d: the expectation of Σ σ_i w_iᵀ C w_i for random directions.
double expected(const Tensor& eigenvalues, const Tensor& values) {
  return sum_of(values) * sum_of(eigenvalues) / static_cast<double>(eigenvalues.numel());
}

}  // namespace

void ClipCovariance::add(const std::vector<Tensor>& clips) {
  std::vector<Tensor> weighted;  // rows over √T of their clip
  for (const Tensor& clip : clips) {
    Tensor rows = clip.to(c10::ScalarType::Double);
    if (!products_.defined()) {
      shift_ = rows.mean(0);
      sum_ = shift_ - shift_;
      products_ = at::outer(sum_, sum_);
    }
    if (rows.size(1) != shift_.size(0))
      fail("{} columns do not belong to a covariance of {} dimensions", rows.size(1), shift_.size(0));
    rows = rows - shift_;
    sum_ += rows.mean(0);
    weighted.push_back(rows / std::sqrt(static_cast<double>(rows.size(0))));
    ++clips_;
  }
  if (weighted.empty()) return;
  const Tensor all = at::cat(weighted);
  products_.addmm_(all.t(), all);
}

Tensor ClipCovariance::covariance() const {
  if (clips_ == 0) fail("a covariance needs at least one clip");
  const auto n = static_cast<double>(clips_);
  return (products_ / n - at::outer(sum_, sum_) / (n * n)).cpu();
}

CovarianceSpectrum::CovarianceSpectrum(const Tensor& matrix, bool vectors) : covariance(matrix) {
  Tensor values;
  if (vectors) {
    std::tie(values, eigenvectors) = at::linalg_eigh(matrix);
    eigenvectors = eigenvectors.flip(1);
  } else {
    values = at::linalg_eigvalsh(matrix);
  }
  eigenvalues = values.flip(0).clamp_min(0);
}

Strength strength_of(const CovarianceSpectrum& spectrum, const Tensor& directions, const Tensor& values) {
  const double chance = expected(spectrum.eigenvalues, values);
  if (!(chance > 0)) return {none, none};
  const Tensor along = (directions * at::matmul(spectrum.covariance, directions)).sum(0);  // w_iᵀ C w_i
  const Tensor sorted = std::get<0>(values.sort(0, /*descending=*/true));
  const double largest = sum_of(sorted * spectrum.eigenvalues.narrow(0, 0, values.size(0))) / chance;
  const double strength = sum_of(values * along) / chance;
  return {strength, largest > 1 + 1e-9 ? (strength - 1) / (largest - 1) : none};
}

std::vector<double> strength_draws(const Tensor& eigenvalues, const Tensor& squares, const Tensor& values) {
  const Tensor along = at::matmul(eigenvalues.to(squares.scalar_type()), squares);  // S×k: w_iᵀ C w_i
  const Tensor draws =
      (at::matmul(along.to(values.scalar_type()), values) / expected(eigenvalues, values)).contiguous();
  return {draws.const_data_ptr<double>(), draws.const_data_ptr<double>() + draws.numel()};
}

}  // namespace loralens
