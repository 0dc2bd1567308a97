// SPDX-License-Identifier: Apache-2.0
#include "statistics/intervals/pooled_interval.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "statistics/intervals/student.h"

namespace loralens {
namespace {

constexpr double interaction_weight = 0.5;  // the share of V_sr that is subtracted

}  // namespace

VarianceComponents variance_components(const PooledScores& scores) {
  if (scores.speakers < 2) fail("{} speakers have no variance", scores.speakers);
  const auto contributions = scores.contributions();
  const size_t runs = scores.runs, speakers = scores.speakers;
  const auto r_count = static_cast<double>(runs), s_count = static_cast<double>(speakers);
  std::vector<double> of_run(runs), of_speaker(speakers);
  double mean = 0;
  for (size_t r = 0; r < runs; ++r)
    for (size_t s = 0; s < speakers; ++s) {
      const double value = contributions[r * speakers + s];
      of_run[r] += value / s_count;
      of_speaker[s] += value / r_count;
      mean += value / (s_count * r_count);
    }
  VarianceComponents result;
  result.speakers = std::pow(summarise(of_speaker, 1).std, 2) / s_count;
  if (runs == 1) return result;
  result.runs = std::pow(summarise(scores.whole, 1).std, 2) / r_count;
  for (size_t r = 0; r < runs; ++r)
    for (size_t s = 0; s < speakers; ++s)
      result.interaction += std::pow(contributions[r * speakers + s] - of_run[r] - of_speaker[s] + mean, 2);
  result.interaction /= (s_count - 1) * (r_count - 1) * s_count * r_count;
  return result;
}

OrReason<Uncertainty> pooled_uncertainty(const PooledScores& scores) {
  using Result = OrReason<Uncertainty>;
  if (scores.speakers < fewest_speakers)
    return Result::none(fmt::format("{} speakers are too few for an interval over speakers: {} are needed",
                                    scores.speakers, fewest_speakers));
  if (scores.runs > 1 && scores.runs < fewest_runs)
    return Result::none(fmt::format("{} runs are too few to estimate the variation between runs: {} are needed",
                                    scores.runs, fewest_runs));
  const VarianceComponents found = variance_components(scores);
  // Contributions that are equal in exact arithmetic can differ by rounding.
  if (std::sqrt(found.speakers) <= 1e-12 * (std::abs(scores.value()) + 1e-3))
    return Result::none("all speakers contribute the same, so the variation between speakers cannot be seen");
  const auto between_speakers = static_cast<double>(scores.speakers - 1);
  if (scores.runs == 1) return {Uncertainty{std::sqrt(found.speakers), between_speakers}, ""};
  const auto between_runs = static_cast<double>(scores.runs - 1);
  const double subtracted = interaction_weight * found.interaction;
  const double variance = found.speakers + found.runs - subtracted;
  if (variance <= found.speakers) return {Uncertainty{std::sqrt(found.speakers), between_speakers}, ""};
  const double degrees = variance * variance /
                         (found.speakers * found.speakers / between_speakers + found.runs * found.runs / between_runs +
                          subtracted * subtracted / (between_speakers * between_runs));
  return {Uncertainty{std::sqrt(variance),
                      std::clamp(degrees, std::min(between_speakers, between_runs), between_speakers + between_runs)},
          ""};
}

OrReason<Interval> pooled_score_interval(const PooledScores& scores, double level) {
  const double value = scores.value();
  if (!(value > 0 && value < 1))
    return OrReason<Interval>::none(fmt::format("the score is {}, at the end of its range", value));
  const auto found = pooled_uncertainty(scores);
  if (!found.value) return OrReason<Interval>::none(found.reason);
  const double half = student_bound(level, found.value->degrees) * found.value->error / (value * (1 - value));
  const double logit = std::log(value / (1 - value));
  const auto from_logit = [](double x) { return 1 / (1 + std::exp(-x)); };
  return {Interval{from_logit(logit - half), from_logit(logit + half)}, ""};
}

OrReason<Interval> pooled_difference_interval(const PooledScores& differences, double level) {
  const auto found = pooled_uncertainty(differences);
  if (!found.value) return OrReason<Interval>::none(found.reason);
  const double half = student_bound(level, found.value->degrees) * found.value->error;
  return {Interval{differences.value() - half, differences.value() + half}, ""};
}

}  // namespace loralens
