// SPDX-License-Identifier: Apache-2.0
// Which share of the adaptation's gain a changed pass recovers: a ratio of sums of log-probabilities of the true class.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>

#include "analysis/analysis.h"
#include "statistics/intervals/or_reason.h"

namespace loralens {

// The log-probability of one clip's class, in one fold.
struct ClipValue {
  int64_t fold, clip;
  double log_p;
};

// By fold and clip.
using ClipValues = std::map<std::pair<int64_t, int64_t>, double>;

// R = Σ(changed - frozen) / Σ(adapted - frozen), or, if the change was made in the adapted model (into_frozen false),
// Σ(adapted - changed) / Σ(adapted - frozen), averaged over runs, as a row of `key` with metric `recovered`. Its
// interval is a jackknife over speakers (and runs). No value, but a reason, if the interval of Σ(adapted - frozen)
// holds 0.
OrReason<Row> recovered_share(const Setting& setting, RowKey key, std::span<const ClipValue> changed,
                              const ClipValues& frozen, const ClipValues& adapted, bool into_frozen);

}  // namespace loralens
