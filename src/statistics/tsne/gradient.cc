// SPDX-License-Identifier: Apache-2.0
#include "statistics/tsne/gradient.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/parallel.h"

namespace loralens {
namespace {

constexpr size_t wide = 16;              // floats in the widest SIMD vector
constexpr size_t points_per_task = 64;
constexpr float far_away = 1e30f;        // a finite distance whose square is infinite, so that w is 0

template <size_t lanes>
struct Vector;
template <>
struct Vector<4> {
  using Floats = float __attribute__((vector_size(16), may_alias));
};
template <>
struct Vector<8> {
  using Floats = float __attribute__((vector_size(32), may_alias));
};
template <>
struct Vector<16> {
  using Floats = float __attribute__((vector_size(64), may_alias));
};

// The points in a layout for SIMD: all x, then all y, padded to whole vectors with points at far_away, which have
// weight 0.
class Coordinates {
 public:
  explicit Coordinates(const Plane& plane) : count_((plane.size() + wide - 1) / wide * wide) {
    for (size_t axis = 0; axis < 2; ++axis) {
      values_[axis].resize(count_ / wide);
      for (size_t i = 0; i < count_; ++i)
        values_[axis][i / wide].value[i % wide] = i < plane.size() ? static_cast<float>(plane[i][axis]) : far_away;
    }
  }
  const float* x() const { return values_[0].data()->value; }
  const float* y() const { return values_[1].data()->value; }
  size_t count() const { return count_; }

 private:
  struct alignas(64) Block {
    float value[wide];
  };
  size_t count_;
  std::array<std::vector<Block>, 2> values_;
};

// Repulsion of one point by all others: Σ w² (y_i - y_j), and Σ w.
struct Push {
  std::array<double, 2> force{};
  double weight = 0;
};

template <size_t lanes>
__attribute__((always_inline)) inline Push push_on(size_t i, const float* x, const float* y, size_t count) {
  using Floats = typename Vector<lanes>::Floats;
  Floats force_x{}, force_y{}, weight{};
  const float own_x = x[i], own_y = y[i];
  const auto add = [&](size_t j) __attribute__((always_inline)) {
    const Floats dx = own_x - *reinterpret_cast<const Floats*>(x + j);
    const Floats dy = own_y - *reinterpret_cast<const Floats*>(y + j);
    const Floats w = 1 / (1 + dx * dx + dy * dy), squared = w * w;
    weight += w;
    force_x += squared * dx;
    force_y += squared * dy;
  };
  const size_t own = i / lanes * lanes;
  add(own);
  weight[i % lanes] = 0;  // removes the point's own w = 1, first, so that no other w was rounded when added to it
  for (size_t j = 0; j < own; j += lanes) add(j);
  for (size_t j = own + lanes; j < count; j += lanes) add(j);
  Push push;
  for (size_t lane = 0; lane < lanes; ++lane) {
    push.force[0] += static_cast<double>(force_x[lane]);
    push.force[1] += static_cast<double>(force_y[lane]);
    push.weight += static_cast<double>(weight[lane]);
  }
  return push;
}

template <size_t lanes>
__attribute__((always_inline)) inline void push_each(const Coordinates& at, size_t first, std::span<Push> out) {
  for (size_t i = 0; i < out.size(); ++i) out[i] = push_on<lanes>(first + i, at.x(), at.y(), at.count());
}

// One version per CPU generation, with its vector width, chosen at load time: GCC generates poor code for vectors wider
// than the CPU's registers. The thread sanitizer's code cannot run at load time.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
__attribute__((target("arch=x86-64-v4"))) void push_points(const Coordinates& at, size_t first, std::span<Push> out) {
  push_each<16>(at, first, out);
}
__attribute__((target("arch=x86-64-v3"))) void push_points(const Coordinates& at, size_t first, std::span<Push> out) {
  push_each<8>(at, first, out);
}
__attribute__((target("default")))
#endif
void push_points(const Coordinates& at, size_t first, std::span<Push> out) {
  push_each<4>(at, first, out);
}

double weight_between(const std::array<double, 2>& a, const std::array<double, 2>& b) {
  const double dx = a[0] - b[0], dy = a[1] - b[1];
  return 1 / (1 + dx * dx + dy * dy);
}

// Attraction of one point: Σ p w (y_i - y_j).
std::array<double, 2> pull_on(size_t i, const Similarities& p, const Plane& plane) {
  double x = 0, y = 0;
  for (size_t at = p.begin[i]; at < p.begin[i + 1]; ++at) {
    const auto& other = plane[p.others[at]];
    const double attraction = static_cast<double>(p.values[at]) * weight_between(plane[i], other);
    x += attraction * (plane[i][0] - other[0]);
    y += attraction * (plane[i][1] - other[1]);
  }
  return {x, y};
}

// Calls work(first, count) for consecutive blocks of points, on several threads.
template <typename Work>
void for_runs(size_t n, size_t threads, Work&& work) {
  parallel_for((n + points_per_task - 1) / points_per_task, threads, [&](size_t task) {
    const size_t first = task * points_per_task;
    work(first, std::min(points_per_task, n - first));
  });
}

double total_weight(const std::vector<Push>& pushes) {
  double total = 0;
  for (const Push& push : pushes) total += push.weight;
  return total;
}

}  // namespace

Plane gradient(const Similarities& p, const Plane& plane, double factor, size_t threads) {
  const Coordinates coordinates(plane);
  std::vector<Push> pushes(plane.size());
  Plane slope(plane.size());
  for_runs(plane.size(), threads, [&](size_t first, size_t count) {
    push_points(coordinates, first, std::span(pushes).subspan(first, count));
    for (size_t i = first; i < first + count; ++i) slope[i] = pull_on(i, p, plane);
  });
  const double total = total_weight(pushes);
  for (size_t i = 0; i < plane.size(); ++i)
    for (size_t axis = 0; axis < 2; ++axis)
      slope[i][axis] = 4 * (factor * slope[i][axis] - pushes[i].force[axis] / total);
  return slope;
}

double divergence(const Similarities& p, const Plane& plane, size_t threads) {
  const Coordinates coordinates(plane);
  std::vector<Push> pushes(plane.size());
  std::vector<double> sums(plane.size()), shares(plane.size());
  for_runs(plane.size(), threads, [&](size_t first, size_t count) {
    push_points(coordinates, first, std::span(pushes).subspan(first, count));
    for (size_t i = first; i < first + count; ++i)
      for (size_t at = p.begin[i]; at < p.begin[i + 1]; ++at) {
        const auto value = static_cast<double>(p.values[at]);
        sums[i] += value * std::log(value / weight_between(plane[i], plane[p.others[at]]));
        shares[i] += value;
      }
  });
  double sum = 0, share = 0;
  for (size_t i = 0; i < plane.size(); ++i) {
    sum += sums[i];
    share += shares[i];
  }
  return sum + share * std::log(total_weight(pushes));
}

}  // namespace loralens
