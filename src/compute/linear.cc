// SPDX-License-Identifier: Apache-2.0
#include "compute/linear.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>

#include "compute/int8.h"
#include "compute/kernel_tensors.h"
#include "compute/processor.h"
#include "compute/threads.h"

namespace loralens {
namespace {

using at::Tensor;

// out = a b + bias, or a bᵀ + bias if transposed, with our kernel. All tensors are contiguous.
template <typename T>
void multiply(const Tensor& a, const Tensor& b, bool transposed, const Tensor& bias, const Tensor& out) {
  const Kernels<T>& kernel = *kernels<T>();
  const int64_t inner = a.size(1), columns = out.size(1);
  const RightSide<T> right{data_of<T>(b), inner, columns, transposed};
  const Tensor packed = at::empty({panels_of(columns) * panel_size(inner)}, out.options());
  T* const panels = data_of<T>(packed);
  share_among_threads(panels_of(columns), 1,
                      [&](int64_t begin, int64_t end) { kernel.pack(right, begin, end, panels); });
  const int64_t rows_a_part = std::max<int64_t>(6, (int64_t{1} << 23) / (inner * columns));
  share_among_threads(a.size(0), rows_a_part, [&](int64_t begin, int64_t end) {
    kernel.multiply(
        {data_of<T>(a, begin * inner), end - begin, inner, columns, data_of<T>(bias), data_of<T>(out, begin * columns)},
        panels);
  });
}

// Whether our kernel can multiply `a` (rows×K) by a K×columns matrix, or columns×K if transposed.
bool kernel_takes(const Tensor& a, int64_t columns, bool transposed) {
  return has_kernels(a, a.scalar_type()) && a.dim() == 2 && a.size(0) > 0 &&
         takes_product(a.size(1), columns, transposed);
}

// a b + bias, or a bᵀ + bias if transposed; not differentiable. Without our kernel the bias must be undefined.
Tensor product(const Tensor& a, const Tensor& b, bool transposed = false, const Tensor& bias = {}) {
  const int64_t columns = b.size(transposed ? 0 : 1);
  if (!kernel_takes(a, columns, transposed)) return at::mm(a, transposed ? b.t() : b);
  const Tensor out = at::empty({a.size(0), columns}, a.options().requires_grad(false));
  of_type(a.scalar_type(),
          [&](auto element) { multiply<decltype(element)>(a.contiguous(), b.contiguous(), transposed, bias, out); });
  return out;
}

// aᵀ b of two tall matrices; transposes the narrower one.
Tensor transposed_product(const Tensor& a, const Tensor& b) {
  return a.size(1) <= b.size(1) ? product(a.t(), b) : product(b.t(), a).t().contiguous();
}

class Product : public torch::autograd::Function<Product> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const std::optional<Tensor>& bias) {
    context->saved_data["bias"] = bias.has_value();
    context->save_for_backward({weight.requires_grad() ? x : Tensor(), x.requires_grad() ? weight : Tensor()});
    return product(x, weight, /*transposed=*/true, bias.value_or(Tensor()));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor& d = gradients[0];
    return {context->needs_input_grad(0) ? product(d, saved[1]) : Tensor(),
            context->needs_input_grad(1) ? transposed_product(d, saved[0]) : Tensor(),
            context->saved_data["bias"].toBool() && context->needs_input_grad(2) ? d.sum(0) : Tensor()};
  }
};

// A product with a constant weight in int8, of which no copy in another type is kept for the backward pass.
class Int8Product : public torch::autograd::Function<Int8Product> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const std::optional<Tensor>& bias) {
    context->saved_data["weight"] = weight;
    const Tensor values = dense(weight, x.scalar_type()), added = bias.value_or(Tensor());
    return kernel_takes(x, weight.size(0), true) ? product(x, values, /*transposed=*/true, added)
                                                 : at::linear(x, values, added);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const Tensor& d = gradients[0];
    return {context->needs_input_grad(0) ? product(d, dense(context->saved_data["weight"].toTensor(), d.scalar_type()))
                                         : Tensor(),
            Tensor(), Tensor()};
  }
};

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (is_int8(weight)) return Int8Product::apply(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
  if (weight.scalar_type() != x.scalar_type() || !kernel_takes(x, weight.size(0), true))
    return at::linear(x, weight, bias);
  return Product::apply(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
}

int64_t rows_multiple() { return processor_level() >= ProcessorLevel::avx512_bf16 ? 2 : 64; }

}  // namespace loralens
