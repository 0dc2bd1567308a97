// SPDX-License-Identifier: Apache-2.0
#include "analysis/refitted_head.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <limits>
#include <map>

#include "base/error.h"
#include "base/random.h"

namespace loralens {

using at::Tensor;

Head RefittedHead::head(const at::TensorOptions& type) const {
  const int64_t classes = fit.weight.size(0);
  return {.projector = {fit.weight.to(type), fit.bias.to(type)},
          .classifier = {at::eye(classes, type), at::zeros({classes}, type)}};
}

std::set<size_t> held_out_clips(const std::vector<std::string>& groups, uint64_t seed) {
  std::map<std::string, std::vector<size_t>> clips;
  for (size_t i = 0; i < groups.size(); ++i) clips[groups[i]].push_back(i);
  std::vector<std::vector<size_t>> parts;
  for (const auto& [name, numbers] : clips) parts.push_back(numbers);
  if (parts.size() == 1) {
    parts.clear();
    for (size_t i = 0; i < groups.size(); ++i) parts.push_back({i});
  }
  Random(seed).shuffle(parts);
  std::set<size_t> chosen;
  for (size_t p = 0; p + 1 < parts.size() && 3 * chosen.size() < groups.size(); ++p)
    chosen.insert(parts[p].begin(), parts[p].end());
  return chosen;
}

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
