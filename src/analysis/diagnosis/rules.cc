// SPDX-License-Identifier: Apache-2.0
#include "analysis/diagnosis/rules.h"

#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

namespace loralens {

std::string words_of(Verdict verdict) {
  return verdict == Verdict::found ? "found" : verdict == Verdict::absent ? "not found" : "cannot be told";
}

Verdict below(const Row* row, double limit) {
  if (!row || !has_interval(*row)) return Verdict::unknown;
  return row->high < limit ? Verdict::found : row->low >= limit ? Verdict::absent : Verdict::unknown;
}

Diagnoses diagnose(const std::vector<Row>& rows) {
  Diagnoses found;
  found.change = find_row(rows, {.model = "adapted-frozen", .component = "logits", .metric = "total_variation"});
  for (const Row& row : rows) {
    if (find_row(rows, row.key) != &row) continue;  // of one fold among several
    if (row.key.metric == "log10_gradient_ratio" && (!found.gradient || row.value < found.gradient->value))
      found.gradient = &row;
    if (row.key.model == "adapted-frozen" && row.key.metric == "uar") found.difference = &row;
  }
  const Row *training = find_row(rows, {.model = "adapted", .component = "training", .metric = "uar"}),
            *test = find_row(rows, {.model = "adapted", .component = "test", .metric = "uar"});
  found.weak = found.change && found.change->value == 0 ? Verdict::found : below(found.change, weak_below);
  found.vanishing = below(found.gradient, vanishing_below_log10);
  if (!training || !test || !found.difference) return found;
  found.gap = training->value - test->value;
  if (has_interval(*found.difference))
    found.over_specialised = found.gap <= training_gap_above ? Verdict::absent : below(found.difference, 0);
  return found;
}

}  // namespace loralens
