// SPDX-License-Identifier: Apache-2.0
// Copies of CPU tensors to a GPU that do not block the CPU thread.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

namespace loralens {

// x on `device`. A copy from pinned memory is queued on the GPU while its earlier work still runs; a copy from ordinary
// memory would block the CPU until that work is done.
inline at::Tensor on_device(const at::Tensor& x, c10::Device device) {
  const auto options = x.options().device(device).requires_grad(false);
  return device.is_cuda() && x.is_cpu() ? x.pin_memory().to(options, /*non_blocking=*/true) : x.to(options);
}

// A list of int64 numbers, such as row indices for index_select, as a tensor on `device`.
inline at::Tensor on_device(at::IntArrayRef numbers, c10::Device device) {
  return on_device(at::tensor(numbers, c10::ScalarType::Long), device);
}

}  // namespace loralens
