// SPDX-License-Identifier: Apache-2.0
#include "statistics/tsne/tsne.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/matmul.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "statistics/normal_values.h"
#include "statistics/tsne/gradient.h"

namespace loralens {
namespace {

using at::Tensor;

// The settings of scikit-learn.
constexpr double exaggeration = 12;             // early exaggeration of the similarities
constexpr int64_t exaggerated_iterations = 250;
constexpr double early_momentum = 0.5, late_momentum = 0.8;
constexpr double smallest_gain = 0.01;
constexpr double smallest_gradient = 1e-7;      // gradient norm below which the descent stops
constexpr int64_t check_every = 50;             // iterations between checks of divergence and gradient
constexpr int64_t patience = 300;               // iterations without improvement before the descent stops
constexpr double start_deviation = 1e-4;
constexpr int64_t points_per_thread = 500;      // minimum

Plane plane_of(const Tensor& start) {
  const Tensor values = start.to(c10::kCPU, c10::ScalarType::Double).contiguous();
  const double* value = values.const_data_ptr<double>();
  Plane plane(values.size(0));
  for (auto& point : plane) {
    std::copy_n(value, 2, point.begin());
    value += 2;
  }
  return plane;
}

// Gradient descent with momentum and an adaptive gain for each coordinate, iterations first..last-1. Returns the number
// of iterations done so far, less than `last` if it converged.
int64_t descend(const Similarities& p, Plane& plane, int64_t first, int64_t last, double momentum, double factor,
                size_t threads) {
  const double rate = std::max(static_cast<double>(plane.size()) / exaggeration / 4, 50.0);
  Plane update(plane.size()), gains(plane.size(), {1, 1});
  double best = std::numeric_limits<double>::infinity();
  int64_t best_iteration = first;
  for (int64_t iteration = first; iteration < last; ++iteration) {
    const bool check = (iteration + 1) % check_every == 0;
    const double reached = check ? divergence(p, plane, threads) : 0;
    const Plane slope = gradient(p, plane, factor, threads);
    double squares = 0;
    for (size_t i = 0; i < plane.size(); ++i)
      for (size_t axis = 0; axis < 2; ++axis) {
        double& gain = gains[i][axis];
        gain = std::max(smallest_gain, update[i][axis] * slope[i][axis] < 0 ? gain + 0.2 : gain * 0.8);
        const double step = gain * slope[i][axis];
        update[i][axis] = momentum * update[i][axis] - rate * step;
        plane[i][axis] += update[i][axis];
        squares += step * step;
      }
    if (!check) continue;
    if (reached < best) {
      best = reached;
      best_iteration = iteration;
    } else if (iteration - best_iteration > patience) {
      return iteration + 1;
    }
    if (std::sqrt(squares) <= smallest_gradient) return iteration + 1;
  }
  return last;
}

void check(const Tensor& x, const TsneOptions& options, const Tensor& start) {
  if (x.dim() != 2) fail("t-SNE needs a matrix: one row per point, one column per feature");
  const int64_t n = x.size(0);
  if (!(options.perplexity >= 1 && options.perplexity < static_cast<double>(n)))
    fail("a perplexity of {} does not fit {} points: it must be at least 1 and less than their number",
         options.perplexity, n);
  if (options.iterations < 1) fail("t-SNE needs at least 1 iteration, not {}", options.iterations);
  if (start.defined() && (start.dim() != 2 || start.size(0) != n || start.size(1) != 2))
    fail("t-SNE of {} points needs a start of {}×2", n, n);
  if (start.defined() && !at::isfinite(start).all().item<bool>())
    fail("t-SNE cannot start from a position that is not a finite number");
}

}  // namespace

Tsne tsne(const Tensor& x, const TsneOptions& options, const Tensor& start) {
  check(x, options, start);
  const int64_t n = x.size(0);
  const size_t threads = std::clamp<int64_t>(n / points_per_thread, 1, std::max<int64_t>(options.threads, 1));
  Plane plane = plane_of(start.defined() ? start : pca_start(x));
  const Similarities p = similarities(x, options.perplexity, threads);

  const int64_t exaggerated = std::min(exaggerated_iterations, options.iterations);
  int64_t done = descend(p, plane, 0, exaggerated, early_momentum, exaggeration, threads);
  done = descend(p, plane, done, options.iterations, late_momentum, 1, threads);
  Tsne result{at::empty({n, 2}, c10::ScalarType::Double), divergence(p, plane, threads), done};
  double* out = result.points.mutable_data_ptr<double>();
  for (const auto& point : plane) out = std::ranges::copy(point, out).out;
  return result;
}

Tensor pca_start(const Tensor& x) {
  if (x.dim() != 2 || x.size(0) < 2 || x.size(1) < 2)
    fail("principal components for a plane need at least two points and two features");
  Tensor centred = x.detach().to(c10::kCPU, c10::ScalarType::Double);
  if (!at::isfinite(centred).all().item<bool>()) fail("a feature is not a finite number, so t-SNE has no start");
  centred = centred - centred.mean(0, /*keepdim=*/true);
  // Eigenvectors of the smaller of the two Gram matrices; eigenvalues are ascending.
  const bool wide = centred.size(1) > centred.size(0);
  const Tensor product = at::matmul(wide ? centred : centred.t(), wide ? centred.t() : centred);
  const Tensor vectors = std::get<1>(at::linalg_eigh(product)).narrow(1, product.size(0) - 2, 2).flip(1);  // ×2
  Tensor loadings = wide ? at::matmul(centred.t(), vectors) : vectors;  // d×2
  loadings = loadings / loadings.norm(2, 0, /*keepdim=*/true).clamp_min(std::numeric_limits<double>::min());
  const Tensor largest = loadings.gather(0, loadings.abs().argmax(0, /*keepdim=*/true));  // 1×2
  const Tensor scores = at::matmul(centred, loadings) * largest.sign();
  const double deviation = scores.select(1, 0).std(/*unbiased=*/false).item<double>();
  if (!(deviation > 1e-12 * x.abs().max().item<double>()))
    fail("all {} points are the same, so t-SNE has nothing to spread out", x.size(0));
  return (scores * (start_deviation / deviation)).contiguous();
}

Tensor random_start(int64_t n, uint64_t seed) { return normal_values({n, 2}, seed) * start_deviation; }

}  // namespace loralens
