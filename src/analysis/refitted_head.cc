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
  const auto logits = logits_by_penalty(fit_on, choose_on.x, l2);
  for (size_t i = 0; i < l2.size(); ++i) {
    const Tensor read = at::log_softmax(logits[i], -1);
    const double loss = -read.gather(1, choose_on.labels.unsqueeze(1)).mean().item<double>();
    if (loss < lowest) {
      lowest = loss;
      best.l2 = l2[i];
    }
  }
  best.fit = fit_standardised_logistic(clips, best.l2);
  return best;
}

}  // namespace loralens
