// SPDX-License-Identifier: Apache-2.0
#include "statistics/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "statistics/quantile.h"

namespace loralens {
namespace {

constexpr size_t exact_pairs = 16;       // up to this number of pairs all 2^n sign patterns are enumerated
constexpr int64_t random_signs = 10000;  // random sign patterns for more pairs

void check(const BootstrapOptions& options) {
  if (options.resamples <= 0) fail("the bootstrap needs at least 1 resample, not {}", options.resamples);
  if (!(options.level > 0 && options.level < 1))
    fail("the level of an interval must lie between 0 and 1, not at {}", options.level);
}

}  // namespace

Interval bootstrap_groups(size_t groups, const GroupStatistic& statistic, const BootstrapOptions& options) {
  check(options);
  if (groups == 0) fail("the bootstrap needs at least one group");
  if (groups == 1) return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  Random random(options.seed);
  std::vector<int64_t> times(groups);
  std::vector<double> values;
  for (int64_t resample = 0; resample < options.resamples; ++resample) {
    std::fill(times.begin(), times.end(), 0);
    for (size_t draw = 0; draw < groups; ++draw) ++times[random.below(groups)];
    values.push_back(statistic(times));
    if (std::isnan(values.back())) fail("a statistic has no value on resample {} of the bootstrap", resample);
  }
  std::sort(values.begin(), values.end());
  const double tail = (1 - options.level) / 2;
  return {quantile(values, tail), quantile(values, 1 - tail)};
}

Interval bootstrap_confusions(std::span<const Confusion> speakers, const ConfusionMetric& metric,
                              const BootstrapOptions& options) {
  return bootstrap_groups(
      speakers.size(), [&](std::span<const int64_t> times) { return metric(pooled(speakers, times)); }, options);
}

Interval bootstrap_recall(std::span<const Confusion> speakers, int64_t c, const BootstrapOptions& options) {
  std::vector<int64_t> right, clips;
  for (const Confusion& speaker : speakers) {
    int64_t count = 0;
    for (int64_t predicted = 0; predicted < speaker.classes; ++predicted) count += speaker.at(c, predicted);
    if (count == 0) continue;
    right.push_back(speaker.at(c, c));
    clips.push_back(count);
  }
  if (clips.empty()) return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  return bootstrap_groups(
      clips.size(),
      [&](std::span<const int64_t> times) {
        const auto right_drawn = std::inner_product(times.begin(), times.end(), right.begin(), int64_t{0});
        const auto drawn = std::inner_product(times.begin(), times.end(), clips.begin(), int64_t{0});
        return static_cast<double>(right_drawn) / static_cast<double>(drawn);
      },
      options);
}

double sign_flip_p(std::span<const double> differences, uint64_t seed) {
  const size_t n = differences.size();
  if (n == 0) fail("a permutation test needs at least one pair");
  double observed = 0, scale = 0;
  for (const double difference : differences) {
    observed += difference;
    scale += std::abs(difference);
  }
  // The tolerance counts ties: sums of the same numbers in another order may differ by rounding.
  const double threshold = std::abs(observed) - 1e-12 * scale;
  const auto reaches = [&](auto&& flips) {  // flips(i): whether pair i changes its sign
    double sum = 0;
    for (size_t i = 0; i < n; ++i) sum += flips(i) ? -differences[i] : differences[i];
    return std::abs(sum) >= threshold;
  };
  int64_t hits = 0;
  if (n <= exact_pairs) {
    for (uint64_t signs = 0; signs < uint64_t{1} << n; ++signs)
      hits += reaches([signs](size_t i) { return (signs >> i & 1) != 0; });
    return static_cast<double>(hits) / static_cast<double>(uint64_t{1} << n);
  }
  Random random(seed);
  for (int64_t draw = 0; draw < random_signs; ++draw)
    hits += reaches([&random](size_t) { return random.bits() >> 63 != 0; });
  return static_cast<double>(hits + 1) / static_cast<double>(random_signs + 1);
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    largest = std::max(largest, static_cast<double>(order.size() - rank) * p[order[rank]]);
    adjusted[order[rank]] = std::min(1.0, largest);
  }
  return adjusted;
}

}  // namespace loralens
