// SPDX-License-Identifier: Apache-2.0
#include "compute/pointwise.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <torch/csrc/autograd/custom_function.h>

#include "compute/kernel_tensors.h"
#include "compute/threads.h"

namespace loralens {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t elements_a_part = 32768;  // elements per thread at least, as in LibTorch

bool kernel_takes(const Tensor& x, c10::ScalarType type) {
  return has_kernels(x, type) && x.numel() > 0 && x.size(-1) % pointwise_multiple == 0;
}

// Calls work(first element, rows) for parts of the rows of x.
template <typename Work>
void for_rows(const Tensor& x, const Work& work) {
  const int64_t width = x.size(1);
  share_among_threads(x.size(0), std::max<int64_t>(1, elements_a_part / width),
                      [&](int64_t begin, int64_t end) { work(begin, end - begin); });
}

class AddAndNorm : public torch::autograd::Function<AddAndNorm> {
 public:
  // Returns the normalised rows and, if there is an addend, the sum.
  static variable_list forward(AutogradContext* context, const Tensor& x, const std::optional<Tensor>& addend,
                               const Tensor& weight, const Tensor& bias, c10::ScalarType type) {
    const Tensor plus = addend.value_or(Tensor());
    const Tensor sum = plus.defined() ? at::empty_like(x) : Tensor(),
                 normed = at::empty(x.sizes(), x.options().dtype(type));
    const Tensor statistics = at::empty({x.size(0), 2}, x.options());
    const int64_t width = x.size(1);
    of_type(type, [&](auto element) {
      using T = decltype(element);
      const Kernels<T>& kernel = *kernels<T>();
      for_rows(x, [&](int64_t row, int64_t rows) {
        const int64_t at = row * width;
        kernel.add_and_norm({rows, width, data_of<float>(weight), data_of<float>(bias)}, data_of<float>(x, at),
                            data_of<T>(plus, at), data_of<float>(sum, at), data_of<T>(normed, at),
                            data_of<float>(statistics, 2 * row));
      });
    });
    context->set_materialize_grads(false);
    context->save_for_backward({plus.defined() ? sum : x, statistics, weight});
    context->saved_data["type"] = static_cast<int64_t>(type);
    if (plus.defined()) return {normed, sum};
    return {normed};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &sum = saved[0], &statistics = saved[1], &weight = saved[2];
    const auto type = static_cast<c10::ScalarType>(context->saved_data["type"].toInt());
    const bool wants_x = context->needs_input_grad(0), wants_addend = context->needs_input_grad(1);
    const Tensor d_sum = gradients.size() > 1 && gradients[1].defined() ? gradients[1].contiguous() : Tensor();
    if (!gradients[0].defined()) return {d_sum, d_sum.defined() ? d_sum.to(type) : d_sum, Tensor(), Tensor(), Tensor()};
    const Tensor d_normed = gradients[0].contiguous();
    const bool one_type = type == c10::ScalarType::Float;  // then both gradients are one tensor
    const Tensor d_x = wants_x || one_type ? at::empty_like(sum) : Tensor();
    const Tensor d_addend = wants_addend && !one_type ? at::empty_like(d_normed) : Tensor();
    const int64_t width = sum.size(1);
    of_type(type, [&](auto element) {
      using T = decltype(element);
      const Kernels<T>& kernel = *kernels<T>();
      for_rows(sum, [&](int64_t row, int64_t rows) {
        const int64_t at = row * width;
        kernel.add_and_norm_backward({rows, width, data_of<float>(weight), nullptr}, data_of<float>(sum, at),
                                     data_of<float>(statistics, 2 * row), data_of<T>(d_normed, at),
                                     data_of<float>(d_sum, at), data_of<float>(d_x, at), data_of<T>(d_addend, at));
      });
    });
    return {wants_x ? d_x : Tensor(), wants_addend ? (one_type ? d_x : d_addend) : Tensor(), Tensor(), Tensor(),
            Tensor()};
  }
};

class Gelu : public torch::autograd::Function<Gelu> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x) {
    const Tensor y = at::empty_like(x);
    of_type(x.scalar_type(), [&](auto element) {
      using T = decltype(element);
      const Kernels<T>& kernel = *kernels<T>();
      for_rows(x, [&](int64_t row, int64_t rows) {
        const int64_t at = row * x.size(1);
        kernel.gelu(rows * x.size(1), data_of<T>(x, at), data_of<T>(y, at));
      });
    });
    context->save_for_backward({x});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const Tensor x = context->get_saved_variables()[0], d_y = gradients[0].contiguous(), d_x = at::empty_like(x);
    of_type(x.scalar_type(), [&](auto element) {
      using T = decltype(element);
      const Kernels<T>& kernel = *kernels<T>();
      for_rows(x, [&](int64_t row, int64_t rows) {
        const int64_t at = row * x.size(1);
        kernel.gelu_backward(rows * x.size(1), data_of<T>(x, at), data_of<T>(d_y, at), data_of<T>(d_x, at));
      });
    });
    return {d_x};
  }
};

}  // namespace

SumAndNorm add_and_norm(const Norm& norm, const Tensor& x, const Tensor& addend, c10::ScalarType type) {
  const bool trained = norm.weight.requires_grad() || norm.bias.requires_grad();
  const bool one_type = !addend.defined() || addend.scalar_type() == type;
  if (trained || !one_type || x.scalar_type() != c10::ScalarType::Float || !kernel_takes(x, type)) {
    const Tensor sum = addend.defined() ? x + addend : x;
    return {sum, at::layer_norm(sum, {sum.size(-1)}, norm.weight, norm.bias, 1e-5).to(type)};
  }
  if (!addend.defined()) return {x, AddAndNorm::apply(x.contiguous(), std::nullopt, norm.weight, norm.bias, type)[0]};
  const auto outputs =
      AddAndNorm::apply(x.contiguous(), std::optional(addend.contiguous()), norm.weight, norm.bias, type);
  return {outputs[1], outputs[0]};
}

Tensor gelu(const Tensor& x) {
  if (x.dim() != 2 || !kernel_takes(x, x.scalar_type())) return at::gelu(x);
  return Gelu::apply(x.contiguous());
}

}  // namespace loralens
