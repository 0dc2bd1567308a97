#include "statistics/tsne.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/matmul.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "statistics/normal_values.h"
#include "statistics/neighbours.h"

namespace loralens {
namespace {

using at::Tensor;

// scikit-learn's settings.
constexpr double exaggeration = 12;             // of similarities, during the first iterations
constexpr int64_t exaggerated_iterations = 250;
constexpr double early_momentum = 0.5, late_momentum = 0.8;
constexpr double smallest_gain = 0.01;
constexpr double smallest_gradient = 1e-7;      // norm at which nothing moves any more
constexpr int64_t check_every = 50;             // iterations between looks at divergence and gradient
constexpr int64_t patience = 300;               // iterations without a smaller divergence
constexpr double smallest_similarity = std::numeric_limits<double>::epsilon();
constexpr double entropy_tolerance = 1e-5;
constexpr int bisections = 100;
constexpr double start_deviation = 1e-4;
constexpr int64_t rows_per_thread = 250;        // fewer are not worth a thread

using Plane = std::vector<std::array<double, 2>>;

// From squared distances of point i to all n (its own is ignored) to its conditional similarities, in place: a Gaussian
// whose entropy is that of `perplexity` equal neighbours, by bisection of its precision.
void similarities_of(double* row, int64_t i, int64_t n, double perplexity, std::vector<double>& distance) {
  distance.assign(row, row + n);
  double nearest = std::numeric_limits<double>::infinity();
  for (int64_t j = 0; j < n; ++j)
    if (j != i) nearest = std::min(nearest, distance[static_cast<size_t>(j)]);
  for (double& d : distance) d -= nearest;  // scales all similarities alike, and keeps their sum above 0

  double precision = 1, below = 0, above = std::numeric_limits<double>::infinity();
  for (int step = 0; step < bisections; ++step) {
    double sum = 0, weighted = 0;
    for (int64_t j = 0; j < n; ++j) {
      const double d = distance[static_cast<size_t>(j)];
      row[j] = j == i ? 0 : std::exp(-d * precision);
      sum += row[j];
      weighted += d * row[j];
    }
    for (int64_t j = 0; j < n; ++j) row[j] /= sum;
    const double excess = std::log(sum) + precision * weighted / sum - std::log(perplexity);
    if (std::abs(excess) <= entropy_tolerance) return;
    (excess > 0 ? below : above) = precision;
    precision = std::isinf(above) ? 2 * precision : (below + above) / 2;
  }
}

// n×n symmetric similarities that add up to 1, diagonal 0.
Tensor joint_similarities(const Tensor& x, double perplexity, size_t threads) {
  Tensor p = squared_distances(x);
  const int64_t n = p.size(0);
  double* values = p.mutable_data_ptr<double>();
  parallel_for(static_cast<size_t>(n), threads, [&](size_t i) {
    std::vector<double> distance;
    similarities_of(values + static_cast<int64_t>(i) * n, static_cast<int64_t>(i), n, perplexity, distance);
  });
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < i; ++j) {
      const double both = (values[i * n + j] + values[j * n + i]) / static_cast<double>(2 * n);
      values[i * n + j] = values[j * n + i] = std::max(both, smallest_similarity);
    }
  return p;
}

// The points in the plane on their way.
class Descent {
 public:
  Descent(const Tensor& similarities, const Tensor& start, size_t threads)
      : p_(similarities.const_data_ptr<double>()), points_(static_cast<size_t>(start.size(0))), threads_(threads) {
    const double* values = start.const_data_ptr<double>();
    for (size_t i = 0; i < points_.size(); ++i) points_[i] = {values[2 * i], values[2 * i + 1]};
  }

  // Gradient descent with momentum and a gain for each coordinate, through iterations first..last-1. Returns how many
  // have been done, fewer than `last` if it came to rest.
  int64_t descend(int64_t first, int64_t last, double momentum, double factor);

  // Of the similarities, times `factor`, from the plane's.
  double divergence(double factor) const;
  const Plane& points() const { return points_; }

 private:
  // What one point feels: Σ p w (y_i - y_j), Σ w² (y_i - y_j), and Σ w with w = 1 / (1 + ‖y_i - y_j‖²).
  struct Forces {
    std::array<double, 2> pull{}, push{};
    double weight = 0;
  };

  Forces forces_on(size_t i) const;
  Plane gradient(double factor) const;
  template <typename Work>
  void each_point(Work&& work) const {  // in blocks, so that a thread has something to do
    constexpr size_t block = 50;
    const size_t n = points_.size();
    parallel_for((n + block - 1) / block, threads_, [&](size_t b) {
      for (size_t i = b * block; i < std::min(n, (b + 1) * block); ++i) work(i);
    });
  }

  const double* p_;  // n×n
  Plane points_;
  size_t threads_;
};

Descent::Forces Descent::forces_on(size_t i) const {
  const size_t n = points_.size();
  const double* p = p_ + i * n;
  const auto [x, y] = points_[i];
  double pull_x = 0, pull_y = 0, push_x = 0, push_y = 0, weight = 0;
  for (size_t j = 0; j < n; ++j) {
    const double dx = x - points_[j][0], dy = y - points_[j][1];
    const double w = 1 / (1 + dx * dx + dy * dy);
    const double attraction = p[j] * w, repulsion = w * w;
    pull_x += attraction * dx;
    pull_y += attraction * dy;
    push_x += repulsion * dx;
    push_y += repulsion * dy;
    weight += w;
  }
  return {{pull_x, pull_y}, {push_x, push_y}, weight - 1};  // without the point's own weight, which is 1
}

Plane Descent::gradient(double factor) const {
  std::vector<Forces> forces(points_.size());
  each_point([&](size_t i) { forces[i] = forces_on(i); });
  double total = 0;
  for (const Forces& f : forces) total += f.weight;
  Plane gradient(points_.size());
  for (size_t i = 0; i < points_.size(); ++i)
    for (size_t axis = 0; axis < 2; ++axis)
      gradient[i][axis] = 4 * (factor * forces[i].pull[axis] - forces[i].push[axis] / total);
  return gradient;
}

double Descent::divergence(double factor) const {
  const size_t n = points_.size();
  std::vector<double> weights(n), sums(n), shares(n);
  each_point([&](size_t i) {
    for (size_t j = 0; j < n; ++j) {
      if (j == i) continue;
      const double dx = points_[i][0] - points_[j][0], dy = points_[i][1] - points_[j][1];
      const double w = 1 / (1 + dx * dx + dy * dy), p = factor * p_[i * n + j];
      weights[i] += w;
      sums[i] += p * std::log(p / w);
      shares[i] += p;
    }
  });
  double weight = 0, sum = 0, share = 0;
  for (size_t i = 0; i < n; ++i) {
    weight += weights[i];
    sum += sums[i];
    share += shares[i];
  }
  return sum + share * std::log(weight);
}

int64_t Descent::descend(int64_t first, int64_t last, double momentum, double factor) {
  const double rate = std::max(static_cast<double>(points_.size()) / exaggeration / 4, 50.0);
  Plane update(points_.size()), gains(points_.size(), {1, 1});
  double best = std::numeric_limits<double>::infinity();
  int64_t best_iteration = first;
  for (int64_t iteration = first; iteration < last; ++iteration) {
    const bool check = (iteration + 1) % check_every == 0;
    const double reached = check ? divergence(factor) : 0;
    const Plane slope = gradient(factor);
    double squares = 0;
    for (size_t i = 0; i < points_.size(); ++i)
      for (size_t axis = 0; axis < 2; ++axis) {
        double& gain = gains[i][axis];
        gain = std::max(smallest_gain, update[i][axis] * slope[i][axis] < 0 ? gain + 0.2 : gain * 0.8);
        const double step = gain * slope[i][axis];
        update[i][axis] = momentum * update[i][axis] - rate * step;
        points_[i][axis] += update[i][axis];
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
  if (x.dim() != 2) fail("t-SNE needs a matrix: a row a point, a column a feature");
  const int64_t n = x.size(0);
  if (n > most_tsne_points)
    fail("exact t-SNE of {} points would take {:.1f} GB: draw at most {}", n,
         8e-9 * static_cast<double>(n) * static_cast<double>(n), most_tsne_points);
  if (!(options.perplexity >= 1 && options.perplexity < static_cast<double>(n)))
    fail("a perplexity of {} does not fit {} points: it must be at least 1 and less than their number",
         options.perplexity, n);
  if (options.iterations < 1) fail("t-SNE needs at least 1 iteration, not {}", options.iterations);
  if (start.defined() && (start.dim() != 2 || start.size(0) != n || start.size(1) != 2))
    fail("t-SNE of {} points needs a start of {}×2", n, n);
}

}  // namespace

Tsne tsne(const Tensor& x, const TsneOptions& options, const Tensor& start) {
  check(x, options, start);
  const int64_t n = x.size(0);
  const auto threads =
      static_cast<size_t>(std::clamp<int64_t>(n / rows_per_thread, 1, std::max<int64_t>(options.threads, 1)));
  const Tensor first = start.defined() ? start.to(c10::kCPU, c10::ScalarType::Double).contiguous() : pca_start(x);
  const Tensor similarities = joint_similarities(x, options.perplexity, threads);

  Descent descent(similarities, first, threads);
  int64_t done = descent.descend(0, std::min(exaggerated_iterations, options.iterations), early_momentum, exaggeration);
  done = descent.descend(done, options.iterations, late_momentum, 1);
  Tsne result{at::empty({n, 2}, c10::ScalarType::Double), descent.divergence(1), done};
  double* out = result.points.mutable_data_ptr<double>();
  for (const auto& point : descent.points()) out = std::ranges::copy(point, out).out;
  return result;
}

Tensor pca_start(const Tensor& x) {
  if (x.dim() != 2 || x.size(0) < 2 || x.size(1) < 2)
    fail("principal components for a plane need at least two points and two features");
  Tensor centred = x.detach().to(c10::kCPU, c10::ScalarType::Double);
  if (!at::isfinite(centred).all().item<bool>()) fail("a feature is not a finite number, so t-SNE has no start");
  centred = centred - centred.mean(0, /*keepdim=*/true);
  // Eigenvectors of the smaller of the two products; eigenvalues ascend.
  const bool wide = centred.size(1) > centred.size(0);
  const Tensor product = at::matmul(wide ? centred : centred.t(), wide ? centred.t() : centred);
  const Tensor vectors = std::get<1>(at::linalg_eigh(product)).narrow(1, product.size(0) - 2, 2).flip(1);  // ×2
  Tensor loadings = wide ? at::matmul(centred.t(), vectors) : vectors;                                    // d×2
  loadings = loadings / loadings.norm(2, 0, /*keepdim=*/true).clamp_min(std::numeric_limits<double>::min());
  const Tensor largest = loadings.gather(0, loadings.abs().argmax(0, /*keepdim=*/true));  // 1×2
  const Tensor scores = at::matmul(centred, loadings) * largest.sign();
  const double deviation = scores.select(1, 0).std(/*unbiased=*/false).item<double>();
  if (!(deviation > 1e-12 * x.abs().max().item<double>()))
    fail("all {} points are the same, so t-SNE has nothing to spread out", x.size(0));
  return (scores * (start_deviation / deviation)).contiguous();
}

Tensor random_start(int64_t n, uint64_t seed) {
  return normal_values({n, 2}, seed) * start_deviation;
}

}  // namespace loralens
