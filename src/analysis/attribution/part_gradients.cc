// SPDX-License-Identifier: Apache-2.0
#include "analysis/attribution/part_gradients.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>

namespace loralens {
namespace {

using at::Tensor;

// Adds a leaf of zeros at each attention's and MLP's output; its gradient is that of the output.
class Leaves : public Intervention {
 public:
  bool wants(const Site& site) const override {
    return site.kind == SiteKind::attention_out || site.kind == SiteKind::mlp_out;
  }
  Tensor replace(const Pass&, const Site& site, const Tensor& value, int64_t) override {
    const Tensor leaf = at::zeros_like(value).requires_grad_(true);
    leaves_[site] = leaf;
    return value + leaf;
  }
  const std::map<Site, Tensor>& leaves() const { return leaves_; }

 private:
  std::map<Site, Tensor> leaves_;
};

}  // namespace

PartGradients part_gradients(const BatchView& view, const Head& head) {
  const at::AutoGradMode enabled(true);
  Leaves added;
  const Head* const reader = &head;
  const Tensor loss = view.loss_of(view.logits_under({&reader, 1}, 0, view.residuals.front(), {&added}).front());
  std::vector<Site> sites;
  std::vector<Tensor> leaves;
  for (const auto& [site, leaf] : added.leaves()) {
    sites.push_back(site);
    leaves.push_back(leaf);
  }
  const auto found = torch::autograd::grad({loss}, leaves);
  PartGradients gradients;
  gradients.attention.resize(view.setting.layers);
  gradients.mlp.resize(view.setting.layers);
  for (size_t i = 0; i < sites.size(); ++i)
    (sites[i].kind == SiteKind::mlp_out ? gradients.mlp : gradients.attention)[sites[i].layer] =
        -found[i].to(c10::ScalarType::Double);  // the loss is minus the sum of log-probabilities
  return gradients;
}

}  // namespace loralens
