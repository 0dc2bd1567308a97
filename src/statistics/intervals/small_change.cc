// SPDX-License-Identifier: Apache-2.0
#include "statistics/intervals/small_change.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "statistics/intervals/pooled_interval.h"
#include "statistics/intervals/pooled_scores.h"
#include "statistics/intervals/student.h"
#include "statistics/jackknife.h"

namespace loralens {
namespace {

struct Share {
  double value = 0;
  Interval interval;
};

// Score interval of the share sum(counts) / sum(clips).
Share share_of(const std::vector<double>& counts, const std::vector<int64_t>& clips, double level) {
  const PooledScores means = *pooled_means(counts, clips).value;
  double total = 0;
  for (const int64_t count : clips) total += static_cast<double>(count);
  const double value = means.value();
  const double independent = value * (1 - value) / total;
  const double error = jackknife_error(value, means.without);
  const double design_effect = independent > 0 ? std::max(1.0, error * error / independent) : 1;
  const double bound = student_bound(level, static_cast<double>(means.speakers - 1));
  const double k = bound * bound * design_effect / total;
  const double centre = (value + k / 2) / (1 + k);
  const double half = std::sqrt(k * (value * (1 - value) + k / 4)) / (1 + k);
  return {value, {centre - half, centre + half}};
}

}  // namespace

OrReason<Interval> small_change_interval(std::span<const ChangedClips> speakers, double level) {
  std::vector<double> lost, gained;
  std::vector<int64_t> clips;
  int64_t changed = 0;
  for (const ChangedClips& s : speakers) {
    if (s.lost < 0 || s.gained < 0 || s.clips <= 0 || s.lost + s.gained > s.clips)
      fail("{} clips lost and {} gained of {} clips of a speaker are no counts", s.lost, s.gained, s.clips);
    lost.push_back(static_cast<double>(s.lost));
    gained.push_back(static_cast<double>(s.gained));
    clips.push_back(s.clips);
    changed += s.lost + s.gained;
  }
  if (std::ssize(speakers) < fewest_speakers)
    return OrReason<Interval>::none(fmt::format("{} speakers are too few for an interval over speakers: {} are needed",
                                                speakers.size(), fewest_speakers));
  if (changed < fewest_changed)
    return OrReason<Interval>::none(
        fmt::format("fewer than {} clips change their answer, too few for an interval", fewest_changed));
  const Share a = share_of(lost, clips, level), b = share_of(gained, clips, level);
  const double drop = a.value - b.value;
  return {Interval{drop - std::hypot(a.value - a.interval.low, b.interval.high - b.value),
                   drop + std::hypot(a.interval.high - a.value, b.value - b.interval.low)},
          ""};
}

}  // namespace loralens
