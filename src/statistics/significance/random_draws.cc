// SPDX-License-Identifier: Apache-2.0
#include "statistics/significance/random_draws.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/random.h"
#include "statistics/metrics.h"

namespace loralens {
namespace {

constexpr int64_t exact_speakers = 16, random_patterns = 10000;

// (1 + number of maxima >= value) / (m + 1), maxima ascending.
double tail_share(const std::vector<double>& maxima, double value) {
  const auto reached = maxima.end() - std::lower_bound(maxima.begin(), maxima.end(), value);
  return static_cast<double>(1 + reached) / static_cast<double>(maxima.size() + 1);
}

}  // namespace

double rank_p(double value, std::span<const double> draws) {
  if (draws.empty()) fail("a rank among random draws needs at least one draw");
  const auto reached = std::ranges::count_if(draws, [value](double draw) { return draw >= value; });
  return static_cast<double>(1 + reached) / static_cast<double>(draws.size() + 1);
}

int64_t draws_for_holm(int64_t tests) { return 20 * tests - 1; }

std::vector<double> max_t_p(std::span<const double> values, std::span<const double> draws) {
  const size_t places = values.size();
  if (places == 0 || draws.size() % places != 0 || draws.size() < 2 * places)
    fail("{} draws do not belong to {} places, two or more for each", draws.size(), places);
  const size_t m = draws.size() / places;
  std::vector<Summary> of_place;
  std::vector<double> maxima(m, -std::numeric_limits<double>::infinity());
  for (size_t j = 0; j < places; ++j) {
    std::vector<double> column;
    for (size_t b = 0; b < m; ++b) column.push_back(draws[b * places + j]);
    of_place.push_back(summarise(column, 1));
    const auto [mean, std] = of_place.back();
    if (std <= 1e-12 * std::abs(mean)) continue;
    for (size_t b = 0; b < m; ++b) maxima[b] = std::max(maxima[b], (column[b] - mean) / std);
  }
  std::sort(maxima.begin(), maxima.end());
  std::vector<double> p;
  for (size_t j = 0; j < places; ++j) {
    const auto [mean, std] = of_place[j];
    const double excess = values[j] - mean;
    if (std > 1e-12 * std::abs(mean))
      p.push_back(tail_share(maxima, excess / std));
    else
      p.push_back(excess > 1e-12 * std::abs(mean) ? 1 / static_cast<double>(m + 1) : 1.0);
  }
  return p;
}

std::vector<double> sign_flip_max_t_p(std::span<const double> contributions, int64_t speakers, uint64_t seed) {
  if (speakers < 1 || contributions.empty() || std::ssize(contributions) % speakers != 0)
    fail("{} contributions do not belong to {} speakers", contributions.size(), speakers);
  const size_t s_count = speakers;
  const size_t comparisons = contributions.size() / s_count;
  std::vector<double> scale;  // of each comparison: 1 / √(sum of squares)
  for (size_t j = 0; j < comparisons; ++j) {
    double squares = 0;
    for (size_t s = 0; s < s_count; ++s) squares += std::pow(contributions[j * s_count + s], 2);
    scale.push_back(squares > 0 ? 1 / std::sqrt(squares) : 0);
  }
  const auto statistic = [&](size_t j, const std::vector<double>& signs) {
    double sum = 0;
    for (size_t s = 0; s < s_count; ++s) sum += signs[s] * contributions[j * s_count + s];
    return std::abs(sum) * scale[j];
  };
  const bool exact = speakers <= exact_speakers;
  const int64_t patterns = exact ? int64_t{1} << speakers : random_patterns;
  std::vector<double> maxima, signs(s_count);
  Random random(seed);
  for (int64_t pattern = 0; pattern < patterns; ++pattern) {
    for (size_t s = 0; s < s_count; ++s) signs[s] = (exact ? pattern >> s & 1 : random.bits() >> 63) != 0 ? -1 : 1;
    double largest = 0;
    for (size_t j = 0; j < comparisons; ++j) largest = std::max(largest, statistic(j, signs));
    maxima.push_back(largest);
  }
  std::sort(maxima.begin(), maxima.end());
  std::vector<double> p;
  for (size_t j = 0; j < comparisons; ++j) {
    // The tolerance counts ties: sums of the same numbers in another order differ by rounding.
    const double observed = statistic(j, std::vector<double>(s_count, 1)) - 1e-12;
    const auto reached = maxima.end() - std::lower_bound(maxima.begin(), maxima.end(), observed);
    p.push_back(exact ? static_cast<double>(reached) / static_cast<double>(patterns) : tail_share(maxima, observed));
  }
  return p;
}

}  // namespace loralens
