// SPDX-License-Identifier: Apache-2.0
#include "statistics/leace.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <limits>

#include "statistics/normal_values.h"
#include "statistics/nulls/haar.h"

namespace loralens {

using at::Tensor;

constexpr double epsilon = std::numeric_limits<double>::epsilon();

void PositionMoments::add(const Tensor& clip) {
  const Tensor x = clip.to(c10::ScalarType::Double);
  const auto length = static_cast<double>(x.size(0));
  const Tensor sum = x.mean(0).cpu(), squares = (at::matmul(x.t(), x) / length).cpu();
  sum_ = clips_ > 0 ? sum_ + sum : sum;
  squares_ = clips_ > 0 ? squares_ + squares : squares;
  inverse_lengths_ += 1 / length;
  ++clips_;
}

Tensor PositionMoments::mean() const { return sum_ / static_cast<double>(clips_); }

Tensor PositionMoments::covariance() const {
  const Tensor centre = mean();
  return squares_ / static_cast<double>(clips_) - centre.unsqueeze(1) * centre.unsqueeze(0);
}

double PositionMoments::samples() const {
  return static_cast<double>(clips_) * static_cast<double>(clips_) / inverse_lengths_;
}

Tensor shrunk_covariance(const Tensor& covariance, double samples) {
  const auto width = static_cast<double>(covariance.size(0));
  const double trace = covariance.trace().item<double>(), square = (covariance * covariance).sum().item<double>();
  // Of the identity that has the same trace: its squared norm, and its product with the covariance.
  const double identity_square = trace * trace / width, product = trace * trace / width;
  const double top = trace * trace * identity_square / samples, bottom = square * identity_square - product * product;
  const double kept = 1 - (top + epsilon) / (bottom + epsilon);
  const double moved = (1 - kept) * (product + epsilon) / (identity_square + epsilon);
  return kept * covariance + moved * (trace / width) * at::eye(covariance.size(0), covariance.options());
}

Tensor class_covariance(const Tensor& means, std::span<const int64_t> labels, int64_t classes, double samples) {
  const Tensor numbers = at::tensor(at::ArrayRef<int64_t>(labels.data(), labels.size()), c10::ScalarType::Long);
  const Tensor indicators = at::one_hot(numbers, classes).to(c10::ScalarType::Double);
  const Tensor products = at::matmul((means - means.mean(0)).t(), indicators - indicators.mean(0));
  return products / static_cast<double>(labels.size()) * (samples / (samples - 1));
}

Tensor Eraser::operator()(const Tensor& x) const {
  const auto type = x.options();
  return x - at::matmul(at::matmul(x - mean.to(type), right.to(type).t()), left.to(type).t());
}

Whitening::Whitening(const PositionMoments& moments) : mean_(moments.mean()) {
  const Tensor covariance = shrunk_covariance(moments.covariance(), moments.samples());
  const auto [values, vectors] = at::linalg_eigh(covariance);  // ascending
  const Tensor kept = values > values[-1] * (static_cast<double>(values.size(0)) * epsilon);
  const Tensor root = values.clamp_min(0).sqrt();
  whiten_ = at::matmul(vectors * at::where(kept, 1 / root, 0.0), vectors.t());
  unwhiten_ = at::matmul(vectors * at::where(kept, root, 0.0), vectors.t());
  const int64_t zeros = values.size(0) - kept.sum().item<int64_t>();
  basis_ = vectors.slice(1, zeros);
}

Eraser Whitening::of_directions(const Tensor& directions) const {
  return {at::matmul(unwhiten_, directions), at::matmul(directions.t(), whiten_), mean_};
}

Eraser Whitening::leace(const Tensor& class_covariance, double tolerance) const {
  const auto [directions, sizes, right] =
      at::linalg_svd(at::matmul(whiten_, class_covariance), /*full_matrices=*/false);  // descending
  return of_directions(directions.slice(1, 0, (sizes > tolerance).sum().item<int64_t>()));
}

Eraser Whitening::random_subspace(int64_t rank, Random& random) const {
  if (rank == 0) return of_directions(basis_.slice(1, 0, 0));
  // Normal numbers, projected on the whitened states: rounding in the eigenvectors hardly moves the result.
  const Tensor projected = at::matmul(basis_, at::matmul(basis_.t(), normal_values({mean_.size(0), rank}, random)));
  return of_directions(at::matmul(projected, inverse_triangles(projected.unsqueeze(0))[0]));
}

}  // namespace loralens
