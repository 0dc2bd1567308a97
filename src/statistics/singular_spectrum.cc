// SPDX-License-Identifier: Apache-2.0
#include "statistics/singular_spectrum.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t rows_at_a_time = 2048;  // converted to float64 at a time

Tensor exact(const Tensor& x) { return x.detach().cpu().to(c10::ScalarType::Double); }

}  // namespace

void Gram::add(const Tensor& rows) {
  if (rows.dim() != 2) fail("a Gram matrix needs the rows of a matrix, not a tensor of {} dimensions", rows.dim());
  if (rows_ > 0 && rows.size(1) != sum_.size(0))
    fail("rows of {} columns do not fit a Gram matrix of {}", rows.size(1), sum_.size(0));
  if (rows.size(0) == 0) return;
  const int64_t width = rows.size(1);
  if (rows_ == 0) {
    products_ = at::zeros({width, width}, rows.options().dtype(c10::ScalarType::Double).requires_grad(false));
    sum_ = at::zeros({width}, products_.options());
  }
  for (const Tensor& block : rows.detach().split(rows_at_a_time)) {
    const Tensor x = block.to(c10::ScalarType::Double);
    products_ += at::matmul(x.t(), x);
    sum_ += x.sum(0);
  }
  rows_ += rows.size(0);
}

Tensor Gram::uncentred() const {
  if (rows_ == 0) fail("a Gram matrix of no rows has no value");
  return products_.cpu();
}

Tensor Gram::centred() const {
  const Tensor products = uncentred(), sum = sum_.cpu().unsqueeze(1);
  return products - at::matmul(sum, sum.t()) / static_cast<double>(rows_);
}

Tensor singular_values(const Tensor& gram) { return at::linalg_eigvalsh(exact(gram)).clamp_min(0).sqrt().flip(0); }

Tensor gram_of_image(const Tensor& gram, const Tensor& map) {
  const Tensor m = exact(map);
  return at::matmul(at::matmul(m, exact(gram)), m.t());
}

Tensor singular_values_of_image(const Tensor& gram, const Tensor& map) {
  if (map.size(0) <= map.size(1)) return singular_values(gram_of_image(gram, map));
  // M G Mᵀ = (M S)(M S)ᵀ with S = √G, and (M S)ᵀ(M S) has the same nonzero eigenvalues.
  const auto [values, vectors] = at::linalg_eigh(exact(gram));
  const Tensor root = at::matmul(vectors * values.clamp_min(0).sqrt(), vectors.t());
  const Tensor m = exact(map);
  return singular_values(at::matmul(at::matmul(root, at::matmul(m.t(), m)), root));
}

SpectrumMeasures measures_of(const Tensor& singular_values) {
  const Tensor sorted = std::get<0>(exact(singular_values).sort(0, /*descending=*/true)).contiguous();
  const double* sigma = sorted.const_data_ptr<double>();
  const int64_t count = sorted.numel();
  constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  if (count == 0 || sigma[0] == 0) return {unknown, unknown, unknown, unknown};

  double sum = 0, energy = 0, fourth = 0;  // of σ/σ₁, so that the squares of tiny values do not underflow
  for (int64_t i = 0; i < count; ++i) {
    const double s = sigma[i] / sigma[0];
    sum += s;
    energy += s * s;
    fourth += s * s * s * s;
  }
  double entropy = 0, held = 0;
  int64_t components = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double s = sigma[i] / sigma[0], share = s / sum;
    if (share > 0) entropy -= share * std::log(share);
    if (held < 0.9 * energy) ++components;
    held += s * s;
  }
  return {static_cast<double>(components), std::exp(entropy), energy, energy * energy / fourth};
}

SingularDirections singular_directions(const Tensor& matrix) {
  const auto [left, values, right] = at::linalg_svd(exact(matrix), /*full_matrices=*/false);
  return {left, values, right.t()};
}

SingularDirections update_directions(const Tensor& a, const Tensor& b) {
  const auto [q_b, r_b] = at::linalg_qr(exact(b));
  const auto [q_a, r_a] = at::linalg_qr(exact(a).t());
  // B A = Q_b (R_b R_aᵀ) Q_aᵀ, so the SVD is only of a matrix of at most R×R.
  const SingularDirections inner = singular_directions(at::matmul(r_b, r_a.t()));
  const double largest = inner.values.max().item<double>();
  const int64_t k = largest > 0 ? inner.values.gt(1e-12 * largest).sum().item<int64_t>() : 0;
  return {at::matmul(q_b, inner.left.narrow(1, 0, k)), inner.values.narrow(0, 0, k),
          at::matmul(q_a, inner.right.narrow(1, 0, k))};
}

double subspace_overlap(const Tensor& u, const Tensor& v) {
  const double shared = at::matmul(u.t(), v).square().sum().item<double>();
  return shared / static_cast<double>(std::min(u.size(1), v.size(1)));
}

double chance_overlap(int64_t i, int64_t j, int64_t d) {
  return static_cast<double>(std::max(i, j)) / static_cast<double>(d);
}

int64_t intruder_dimensions(const Tensor& base, const Tensor& adapted, const IntruderOptions& options) {
  const Tensor leading = adapted.narrow(1, 0, std::min(options.directions, adapted.size(1)));
  const Tensor nearest = std::get<0>(at::matmul(base.t(), leading).abs().max(0));
  return nearest.lt(options.cosine).sum().item<int64_t>();
}

BalancedGauge balanced_gauge(const Tensor& a, const Tensor& b) {
  const Tensor exact_a = exact(a), exact_b = exact(b);
  const auto [q_b, r_b] = at::linalg_qr(exact_b);
  const auto [q_a, r_a] = at::linalg_qr(exact_a.t());
  // B A = Q_b (R_b R_aᵀ) Q_aᵀ, so the SVD is only of a matrix of at most R×R.
  const SingularDirections inner = singular_directions(at::matmul(r_b, r_a.t()));
  const Tensor left = at::matmul(q_b, inner.left);
  const Tensor root = inner.values.sqrt();
  // A' = √Σ Vᵀ = Σ^(-1/2) Uᵀ B A; directions whose singular value in B A is 0 are 0 in A'.
  const Tensor present = inner.values.gt(1e-12 * inner.values.max());
  const Tensor inverse = at::where(present, root.reciprocal(), at::zeros_like(root));
  return {inverse.unsqueeze(1) * at::matmul(left.t(), exact_b), left * root};
}

}  // namespace loralens
