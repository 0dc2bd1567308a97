// SPDX-License-Identifier: Apache-2.0
#include "analysis/words/interval_words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace loralens {

bool has_interval(const Row& row) { return !std::isnan(row.low); }

bool differs_from_zero(const Row& row) { return has_interval(row) && (row.low > 0 || row.high < 0); }

std::string interval_words(const Row& row, bool sign) {
  if (!has_interval(row)) return "";
  return sign ? fmt::format(" (95 % interval {:+.3f} to {:+.3f})", row.low, row.high)
              : fmt::format(" (95 % interval {:.3f} to {:.3f})", row.low, row.high);
}

std::string signed_words(const Row& row) {
  return fmt::format("{:+.3f}{}", row.value, interval_words(row, /*sign=*/true));
}

std::string percent_words(const Row& row, int decimals) {
  std::string text = fmt::format("{:.{}f} %", 100 * row.value, decimals);
  if (has_interval(row))
    text += fmt::format(" (95 % interval {0:.{2}f} to {1:.{2}f} %)", 100 * row.low, 100 * row.high, decimals);
  return text;
}

std::vector<std::string> notes_on_intervals(const Setting& setting, const std::vector<Row>& rows) {
  struct Lacking {
    int64_t rows = 0;
    std::set<std::string> metrics;
  };
  std::map<std::string, Lacking> by_reason;
  bool pooled = false;  // whether some pooled number has an interval
  for (const Row& row : rows) {
    pooled |= row.estimand == "pooled" && has_interval(row);
    if (row.without_interval.empty()) continue;
    Lacking& lacking = by_reason[row.without_interval];
    ++lacking.rows;
    lacking.metrics.insert(row.key.metric);
  }
  std::vector<std::string> notes;
  if (pooled)
    notes.push_back(setting.runs == 1
                        ? "Intervals of pooled numbers are over speakers, given these trained models: with "
                          "one training they do not include the variation between trainings."
                        : "Intervals of pooled numbers are over speakers and runs.");
  for (const auto& [reason, lacking] : by_reason)
    notes.push_back(fmt::format("No interval of {} number{} ({}): {}.", lacking.rows, lacking.rows == 1 ? "" : "s",
                                fmt::join(lacking.metrics, ", "), reason));
  return notes;
}

}  // namespace loralens
