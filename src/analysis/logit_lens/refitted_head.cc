// SPDX-License-Identifier: Apache-2.0
#include "analysis/logit_lens/refitted_head.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tensor.h>

#include <limits>

#include "base/error.h"

namespace loralens {

using at::Tensor;

RefittedHead fit_refitted_head(const LogisticSamples& clips, const std::set<size_t>& held_out,
                               const std::vector<double>& l2) {
  const at::NoGradGuard no_grad;
  std::vector<int64_t> fitted, scored;
  for (int64_t clip = 0; clip < clips.x.size(0); ++clip) (held_out.contains(clip) ? scored : fitted).push_back(clip);
  if (fitted.empty() || scored.empty()) fail("a refitted head needs clips to fit on and clips to choose on");
  const auto part = [&](const std::vector<int64_t>& numbers) {
    const Tensor index = at::tensor(numbers, c10::ScalarType::Long);
    return LogisticSamples{clips.x.index_select(0, index), clips.labels.index_select(0, index), {}, clips.classes};
  };
  const LogisticSamples fit_on = part(fitted), choose_on = part(scored);
  RefittedHead best;
  double lowest = std::numeric_limits<double>::infinity();
  for (const double penalty : l2) {
    const LogisticFit fit = fit_standardised_logistic(fit_on, penalty);
    const Tensor read = at::log_softmax(logistic_logits(fit, choose_on.x), -1);
    const double loss = -read.gather(1, choose_on.labels.unsqueeze(1)).mean().item<double>();
    if (loss < lowest) {
      lowest = loss;
      best.l2 = penalty;
    }
  }
  best.fit = fit_standardised_logistic(clips, best.l2);
  return best;
}

}  // namespace loralens
