// SPDX-License-Identifier: Apache-2.0
#include "analysis/interchange/subspace_search.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "base/device.h"

namespace loralens {
namespace {

using at::Tensor;

// Adam (Kingma and Ba, 2015) on one tensor, with its usual decays.
class Adam {
 public:
  Adam(const Tensor& like, double rate) : mean_(at::zeros_like(like)), square_(at::zeros_like(like)), rate_(rate) {}
  void step(Tensor& x, const Tensor& gradient) {
    ++steps_;
    mean_.mul_(0.9).add_(gradient, 0.1);
    square_.mul_(0.999).addcmul_(gradient, gradient, 0.001);
    const Tensor mean = mean_ / (1 - std::pow(0.9, steps_)), square = square_ / (1 - std::pow(0.999, steps_));
    x = x - mean / (square.sqrt() + 1e-8) * rate_;
  }

 private:
  Tensor mean_, square_;
  double rate_;
  int steps_ = 0;
};

Tensor orthonormal(const Tensor& columns) { return std::get<0>(at::linalg_qr(columns)); }

}  // namespace

Tensor exchanged(const ExchangeBatch& batch, const Tensor& x, const Tensor& basis) {
  const Tensor added = at::matmul(at::matmul(batch.differences, basis), basis.t());  // B×D
  const Tensor repeats = on_device(batch.bases->view.clip_rows, c10::kCPU);
  return x + at::repeat_interleave(added, repeats, 0).to(x.options());
}

Tensor exchanged_logits(const ExchangeBatch& batch, const Head& head, int64_t layer, const Tensor& basis) {
  const BatchView& view = batch.bases->view;
  const Head* const reader = &head;
  return view.logits_under({&reader, 1}, layer + 1, exchanged(batch, view.residuals[layer + 1], basis)).front();
}

Tensor find_subspace(const Tensor& start, const std::vector<ExchangeBatch>& batches, const Head& head, int64_t layer) {
  Tensor columns = orthonormal(start.to(c10::ScalarType::Double));
  // A step turns a column of unit length by at most about 0.1.
  Adam adam(columns, 0.1 / std::sqrt(static_cast<double>(columns.size(0))));
  for (const ExchangeBatch& batch : batches) {
    Tensor gradient;
    {
      const at::AutoGradMode enabled(true);
      const Tensor leaf = columns.detach().requires_grad_(true);
      const Tensor logits = exchanged_logits(batch, head, layer, orthonormal(leaf));
      const Tensor loss = at::cross_entropy_loss(logits, on_device(batch.targets, logits.device()));
      gradient = torch::autograd::grad({loss}, {leaf}).front();
    }
    adam.step(columns, gradient);
  }
  return orthonormal(columns);
}

}  // namespace loralens
