// SPDX-License-Identifier: Apache-2.0
#include "training/objective/cross_entropy.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

namespace loralens {
namespace {

std::vector<double> balanced_weights(const FoldTask& task, int64_t classes) {
  std::vector<double> counts(classes);
  if (task.targets.defined()) {
    const at::Tensor sums =
        task.targets.cpu().to(c10::ScalarType::Double).index_select(0, at::tensor(task.fold.train)).sum(0);
    for (int64_t c = 0; c < classes; ++c) counts[c] = sums[c].item<double>();
  } else {
    for (const int64_t clip : task.fold.train) counts[task.label(clip)] += 1;
  }
  double present = 0;
  for (const double count : counts) present += count > 0;
  for (double& count : counts)
    if (count > 0) count = static_cast<double>(task.fold.train.size()) / (present * count);
  return counts;
}

}  // namespace

LossOptions loss_options(const FoldTask& task, int64_t classes) {
  LossOptions options{.label_smoothing = task.options.label_smoothing};
  if (task.options.class_weights) options.class_weights = balanced_weights(task, classes);
  return options;
}

std::vector<double> clip_weights(const FoldTask& task, int64_t classes) {
  const std::vector<double> of_classes = loss_options(task, classes).class_weights;
  std::vector<double> weights(task.labels.size(), 1);
  if (of_classes.empty()) return weights;
  if (!task.targets.defined()) {
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = of_classes[task.labels[i]];
    return weights;
  }
  const at::Tensor expected = task.targets.cpu().to(c10::ScalarType::Double).matmul(at::tensor(of_classes));
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = expected[static_cast<int64_t>(i)].item<double>();
  return weights;
}

}  // namespace loralens
