// SPDX-License-Identifier: Apache-2.0
#include "compute/few_rows.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <algorithm>

#include "compute/kernel_tensors.h"
#include "compute/threads.h"

namespace loralens {
namespace {

using at::Tensor;

// Whether kernels of this project compute on x, float32, beside weights, keys or values of this type.
bool has_decoding_kernels(const Tensor& x, c10::ScalarType type) {
  if (!x.is_cpu() || x.scalar_type() != c10::ScalarType::Float) return false;
  if (type == c10::ScalarType::BFloat16) return decoding_kernels<uint16_t>() != nullptr;
  return type == c10::ScalarType::Float && decoding_kernels<float>() != nullptr;
}

template <typename T>
void multiply(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out) {
  const DecodingKernels<T>& kernel = *decoding_kernels<T>();
  const FewRows<T> product{data_of<float>(x),  x.size(0),        weight.size(1),     weight.size(0),
                           data_of<T>(weight), data_of<T>(bias), data_of<float>(out)};
  const int64_t columns_a_part = std::max<int64_t>(16, (int64_t{1} << 16) / product.inner);
  share_among_threads(product.columns, columns_a_part,
                      [&](int64_t begin, int64_t end) { kernel.multiply(product, begin, end); });
}

template <typename T>
void attend(const Tensor& q, const Tensor& keys, const Tensor& values, const Tensor& out) {
  const DecodingKernels<T>& kernel = *decoding_kernels<T>();
  const int64_t heads = keys.size(1), positions = keys.size(2), tasks = q.size(0) * heads;
  const int64_t scratch = (positions + 15) / 16 * 16;
  const Tensor scores = at::empty({tasks, scratch}, q.options());
  share_among_threads(tasks, std::max<int64_t>(1, 64 / positions), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t clip = task / heads, head = task % heads;
      kernel.attend(positions, data_of<float>(q, task * head_width),
                    data_of<T>(keys, clip * keys.stride(0) + head * keys.stride(1)),
                    data_of<T>(values, clip * values.stride(0) + head * values.stride(1)),
                    data_of<float>(out, task * head_width), data_of<float>(scores, task * scratch));
    }
  });
}

}  // namespace

Tensor linear_of_few_rows(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const bool kernel = has_decoding_kernels(x, weight.scalar_type()) && weight.is_contiguous() && x.size(0) > 0 &&
                      x.size(1) % pointwise_multiple == 0;
  if (!kernel) return at::linear(x.to(weight.scalar_type()), weight, bias).to(x.scalar_type());
  const Tensor out = at::empty({x.size(0), weight.size(0)}, x.options());
  of_type(weight.scalar_type(), [&](auto element) { multiply<decltype(element)>(x.contiguous(), weight, bias, out); });
  return out;
}

Tensor attend_one_query(const Tensor& q, const Tensor& keys, const Tensor& values) {
  const auto type = keys.scalar_type();
  if (has_decoding_kernels(q, type) && keys.size(3) == head_width && q.size(0) > 0) {
    const Tensor out = at::empty_like(q);
    of_type(type, [&](auto element) { attend<decltype(element)>(q.contiguous(), keys, values, out); });
    return out;
  }
  const Tensor query = q.to(type).view({q.size(0), keys.size(1), 1, keys.size(3)});
  return at::scaled_dot_product_attention(query, keys, values).view(q.sizes()).to(q.scalar_type());
}

}  // namespace loralens
