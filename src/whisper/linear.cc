#include "whisper/linear.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/linear.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>
#include <string_view>

namespace loralens {
namespace {

using at::Tensor;

// oneDNN's linear layer inside LibTorch, where that was built with it.
const std::optional<c10::OperatorHandle>& onednn() {
  static const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  return found;
}

// a bᵀ + bias, without a gradient. oneDNN adds up in one go, so rounding grows with the inner dimension: it is cut into
// pieces. These are copied, as oneDNN falls to its slowest code for matrices with gaps.
Tensor product(const Tensor& a, const Tensor& b, const std::optional<Tensor>& bias = {}) {
  using Scalars = c10::List<std::optional<at::Scalar>>;
  using Signature = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, std::string_view, Scalars,
                           std::optional<std::string_view>);
  static const auto op = onednn()->typed<Signature>();
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  const auto multiply = [](const Tensor& x, const Tensor& w, const std::optional<Tensor>& added) {
    return op.call(x, w, added, "none", Scalars(), std::nullopt);
  };
  constexpr int64_t piece = 256;
  const int64_t inner = a.size(1);
  if (inner < 2 * piece) return multiply(a, b, bias);
  Tensor sum;
  for (int64_t first = 0; first < inner; first += piece) {
    const auto part = [&](const Tensor& x) { return x.narrow(1, first, std::min(piece, inner - first)).contiguous(); };
    if (first == 0) sum = multiply(part(a), part(b), bias);
    else sum.add_(multiply(part(a), part(b), std::nullopt));
  }
  return sum;
}

class Product : public torch::autograd::Function<Product> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const std::optional<Tensor>& bias) {
    context->saved_data["bias"] = bias.has_value();
    context->save_for_backward({weight.requires_grad() ? x : Tensor(), x.requires_grad() ? weight : Tensor()});
    return product(x, weight, bias);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor& d = gradients[0];
    return {context->needs_input_grad(0) ? product(d, saved[1].t()) : Tensor(),
            context->needs_input_grad(1) ? product(d.t(), saved[0].t()) : Tensor(),
            context->saved_data["bias"].toBool() && context->needs_input_grad(2) ? d.sum(0) : Tensor()};
  }
};

bool is_for_onednn(const Tensor& x) {
  return x.is_cpu() && x.scalar_type() == c10::ScalarType::Float && x.dim() == 2 && x.numel() > 0 && onednn();
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (!is_for_onednn(x)) return at::linear(x, weight, bias);
  return Product::apply(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
}

}  // namespace loralens
