// SPDX-License-Identifier: Apache-2.0
#include "analysis/recovered_share.h"

#include <string>
#include <vector>

#include "analysis/curves.h"
#include "statistics/intervals/pooled_interval.h"

namespace loralens {
namespace {

// Sums over the clips of each speaker, by run.
struct Sums {
  std::map<std::string, std::vector<double>> of_speaker;
  std::vector<double> total;

  explicit Sums(int64_t runs) : total(runs) {}
  void add(int64_t run, const std::string& speaker, double value) {
    of_speaker.try_emplace(speaker, total.size()).first->second[run] += value;
    total[run] += value;
  }
  double total_without(size_t run, const std::string& speaker) const {
    return total[run] - of_speaker.at(speaker)[run];
  }

  // The totals, or their ratios to those of `divisor`, whole and without each speaker.
  PooledScores scores(const Sums* divisor = nullptr) const {
    PooledScores result{std::ssize(total), std::ssize(of_speaker), {}, {}};
    for (size_t run = 0; run < total.size(); ++run) {
      result.whole.push_back(total[run] / (divisor ? divisor->total[run] : 1));
      for (const auto& [speaker, of_run] : of_speaker)
        result.without.push_back(total_without(run, speaker) / (divisor ? divisor->total_without(run, speaker) : 1));
    }
    return result;
  }
};

}  // namespace

OrReason<Row> recovered_share(const Setting& setting, RowKey key, std::span<const ClipValue> changed,
                              const ClipValues& frozen, const ClipValues& adapted, bool into_frozen) {
  Sums gain(setting.runs), moved(setting.runs), gain_of_all(1);
  for (const ClipValue& v : changed) {
    const std::string speaker = setting.group_of(v.clip);
    const int64_t run = v.fold / setting.folds_of_a_run();
    const double low = frozen.at({v.fold, v.clip}), high = adapted.at({v.fold, v.clip});
    gain.add(run, speaker, high - low);
    gain_of_all.add(0, speaker, high - low);
    moved.add(run, speaker, into_frozen ? v.log_p - low : high - v.log_p);
  }
  const auto of_gain = pooled_difference_interval(gain_of_all.scores());  // given these runs
  if (!of_gain.value) return OrReason<Row>::none(of_gain.reason);
  if (of_gain.value->low <= 0 && of_gain.value->high >= 0)
    return OrReason<Row>::none("its interval over speakers holds 0");
  const PooledScores shares = moved.scores(&gain);
  key.metric = "recovered";
  Row row{.key = std::move(key), .value = shares.value(), .n = std::ssize(changed)};
  if (setting.folds == 1) row.fold = changed.front().fold;
  if (setting.protocol.intervals) {
    row.estimand = "pooled";
    set_interval(row, pooled_difference_interval(shares));
  }
  return {std::move(row), ""};
}

}  // namespace loralens
