// SPDX-License-Identifier: Apache-2.0
#include "compute/int8.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/empty.h>

#include <cstring>

#include "base/error.h"

namespace loralens {

using at::Tensor;

namespace {

constexpr int64_t scale_bytes = sizeof(float);

}  // namespace

Tensor in_int8(const Tensor& weight) {
  const at::NoGradGuard no_grad;
  const int64_t rows = weight.size(0), columns = weight.size(1);
  const Tensor exact = weight.detach().to(c10::ScalarType::Float);
  const Tensor scales = at::amax(exact.abs(), 1) / 127;  // out
  const Tensor divisors = scales.masked_fill(scales == 0, 1).unsqueeze(1);
  const Tensor storage = at::empty({rows, columns + scale_bytes}, exact.options().dtype(c10::ScalarType::Char));
  Tensor values = storage.narrow(1, 0, columns);
  values.copy_((exact / divisors).round_().clamp_(-127, 127));
  auto* bytes = storage.mutable_data_ptr<int8_t>();
  const auto* scale = scales.const_data_ptr<float>();
  for (int64_t row = 0; row < rows; ++row)
    std::memcpy(bytes + row * (columns + scale_bytes) + columns, scale + row, scale_bytes);
  return values;
}

Tensor dense(const Tensor& weight, c10::ScalarType type) {
  if (!is_int8(weight)) return weight.to(type);
  const int64_t rows = weight.size(0), columns = weight.size(1), stride = columns + scale_bytes;
  if (weight.stride(0) != stride || weight.stride(1) != 1) fail("a weight in int8 has lost the scales of its rows");
  const Tensor scales = at::empty({rows, 1}, weight.options().dtype(c10::ScalarType::Float));
  const auto* bytes = weight.const_data_ptr<int8_t>();
  auto* scale = scales.mutable_data_ptr<float>();
  for (int64_t row = 0; row < rows; ++row) std::memcpy(scale + row, bytes + row * stride + columns, scale_bytes);
  return weight.to(c10::ScalarType::Float, /*non_blocking=*/false, /*copy=*/true, c10::MemoryFormat::Contiguous)
      .mul_(scales)
      .to(type);
}

}  // namespace loralens
