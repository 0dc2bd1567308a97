// SPDX-License-Identifier: Apache-2.0
#include "statistics/metrics.h"

#include <cmath>
#include <limits>

#include "base/error.h"

namespace loralens {
namespace {

// For each class, the number of clips with this true class and with this predicted class.
struct Margins {
  std::vector<int64_t> truth, predicted;
  int64_t total = 0;
};

Margins margins_of(const Confusion& confusion) {
  const size_t classes = confusion.classes;
  Margins margins{std::vector<int64_t>(classes), std::vector<int64_t>(classes), 0};
  for (size_t t = 0; t < classes; ++t)
    for (size_t p = 0; p < classes; ++p) {
      const int64_t count = confusion.counts[t * classes + p];
      margins.truth[t] += count;
      margins.predicted[p] += count;
      margins.total += count;
    }
  return margins;
}

Margins counted_margins(const Confusion& confusion) {
  auto margins = margins_of(confusion);
  if (margins.total == 0) fail("there is no clip to compute a metric from");
  return margins;
}

}  // namespace

void Confusion::add(int64_t truth, int64_t predicted) {
  if (truth < 0 || truth >= classes || predicted < 0 || predicted >= classes)
    fail("class {} taken for {}: there are only {} classes", truth, predicted, classes);
  ++counts[truth * classes + predicted];
}

Confusion pooled(std::span<const Confusion> groups, std::span<const int64_t> times) {
  if (groups.empty()) fail("there is no confusion to pool");
  if (!times.empty() && times.size() != groups.size())
    fail("{} confusions cannot be pooled {} times", groups.size(), times.size());
  Confusion sum(groups[0].classes);
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].classes != sum.classes)
      fail("confusions of {} and {} classes cannot be pooled", sum.classes, groups[g].classes);
    const int64_t weight = times.empty() ? 1 : times[g];
    for (size_t i = 0; i < sum.counts.size(); ++i) sum.counts[i] += weight * groups[g].counts[i];
  }
  return sum;
}

std::vector<double> recalls(const Confusion& confusion) {
  const auto margins = margins_of(confusion);
  std::vector<double> result;
  for (int64_t c = 0; c < confusion.classes; ++c) {
    const int64_t clips = margins.truth[c];
    result.push_back(clips ? static_cast<double>(confusion.at(c, c)) / static_cast<double>(clips)
                           : std::numeric_limits<double>::quiet_NaN());
  }
  return result;
}

double uar(const Confusion& confusion) {
  counted_margins(confusion);
  double sum = 0;
  int64_t present = 0;
  for (const double recall : recalls(confusion)) {
    if (std::isnan(recall)) continue;
    sum += recall;
    ++present;
  }
  return sum / static_cast<double>(present);
}

double war(const Confusion& confusion) {
  int64_t right = 0;
  for (int64_t c = 0; c < confusion.classes; ++c) right += confusion.at(c, c);
  return static_cast<double>(right) / static_cast<double>(counted_margins(confusion).total);
}

double macro_f1(const Confusion& confusion) {
  const auto margins = counted_margins(confusion);
  double sum = 0;
  int64_t present = 0;
  for (int64_t c = 0; c < confusion.classes; ++c) {
    const int64_t both = margins.truth[c] + margins.predicted[c];
    if (both == 0) continue;
    sum += 2.0 * static_cast<double>(confusion.at(c, c)) / static_cast<double>(both);
    ++present;
  }
  return sum / static_cast<double>(present);
}

Summary summarise(std::span<const double> values, int ddof) {
  if (values.empty()) fail("there is no value to summarise");
  const auto n = static_cast<double>(values.size());
  double mean = 0, squares = 0;
  for (const double value : values) mean += value / n;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, values.size() == 1 ? 0.0 : std::sqrt(squares / (n - ddof))};
}

}  // namespace loralens
