// SPDX-License-Identifier: Apache-2.0
#include "training/selection.h"

#include "base/device.h"
#include "classifier/head.h"
#include "statistics/metrics.h"
#include "training/weights.h"

namespace loralens {

using at::Tensor;

SelectionScores scores_of(const Tensor& logits, const std::vector<int64_t>& classes) {
  const double loss = cross_entropy(logits, on_device(classes, logits.device()), {}).item<double>();
  const Tensor predicted = logits.argmax(1).cpu();
  Confusion confusion(logits.size(1));
  for (size_t i = 0; i < classes.size(); ++i) confusion.add(classes[i], predicted.const_data_ptr<int64_t>()[i]);
  return {.loss = loss, .uar = uar(confusion), .war = war(confusion)};
}

void EpochSelection::consider(EpochRecord& record, std::span<EpochRecord> earlier) {
  if (options_.selection == Selection::last) {
    record.kept = record.epoch + 1 == options_.epochs;
    if (record.kept) best_.weights = copy_values(trained_);
    return;
  }
  const SelectionScores& scores = record.selection;
  const double value = options_.selection == Selection::test ? scores.war : scores.uar;
  // The published code keeps a later epoch only if it is strictly better; the strict protocol breaks ties by loss.
  const bool tie = options_.selection == Selection::development && value == best_.value && scores.loss < best_.loss;
  if (!(value > best_.value) && !tie) return;
  for (EpochRecord& other : earlier) other.kept = false;
  record.kept = true;
  best_ = {.value = value, .loss = scores.loss, .uar = scores.uar, .weights = copy_values(trained_)};
}

bool EpochSelection::stops_early(std::span<const EpochRecord> history) const {
  if (options_.patience == 0 || options_.selection == Selection::last) return false;
  int64_t since = 0;
  for (const EpochRecord& record : history) since = record.kept ? 0 : since + 1;
  return since >= options_.patience;
}

}  // namespace loralens
