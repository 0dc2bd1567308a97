// SPDX-License-Identifier: Apache-2.0
#include "whisper/recomputed_layer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

namespace loralens {
namespace {

using at::Tensor;

struct HeldLayer : torch::CustomClassHolder {
  explicit HeldLayer(LayerFunction function) : layer(std::move(function)) {}
  LayerFunction layer;
};

class RecomputedLayer : public torch::autograd::Function<RecomputedLayer> {
 public:
  // anchor: a tensor that requires a gradient, so that the outputs do, although the input may not.
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context, const Tensor& x,
                                                const std::optional<Tensor>& addend, const Tensor& anchor,
                                                const c10::intrusive_ptr<HeldLayer>& held) {
    const Residual out = held->layer({x, addend.value_or(Tensor())});
    context->save_for_backward({x, addend.value_or(Tensor())});
    context->saved_data["layer"] = c10::IValue::make_capsule(held);
    context->set_materialize_grads(false);
    if (out.addend.defined()) return {out.x, out.addend};
    return {out.x};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto input = [&](size_t i) {
      return saved[i].defined() ? saved[i].detach().requires_grad_(context->needs_input_grad(i)) : Tensor();
    };
    const Tensor x = input(0), addend = input(1);
    const auto held = c10::static_intrusive_pointer_cast<HeldLayer>(context->saved_data["layer"].toCapsule());
    const at::AutoGradMode with_graph(true);
    const Residual out = held->layer({x, addend});
    torch::autograd::variable_list roots, of_roots;
    for (size_t i = 0; i < gradients.size(); ++i) {
      const Tensor& root = i == 0 ? out.x : out.addend;
      if (!gradients[i].defined() || !root.requires_grad()) continue;
      roots.push_back(root);
      of_roots.push_back(gradients[i]);
    }
    if (!roots.empty()) torch::autograd::backward(roots, of_roots);
    const auto gradient = [](const Tensor& tensor) { return tensor.defined() ? tensor.grad() : Tensor(); };
    return {gradient(x), gradient(addend), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor Residual::sum() const { return addend.defined() ? x + addend : x; }

Residual recomputed(LayerFunction layer, const Residual& residual) {
  const Tensor anchor = at::empty({0}).requires_grad_();
  const std::optional<Tensor> addend =
      residual.addend.defined() ? std::optional<Tensor>(residual.addend) : std::nullopt;
  const auto out = RecomputedLayer::apply(residual.x, addend, anchor, c10::make_intrusive<HeldLayer>(std::move(layer)));
  return {out[0], out.size() > 1 ? out[1] : Tensor()};
}

}  // namespace loralens
