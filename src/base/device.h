// Copies to a GPU that the processor does not wait for.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

namespace loralens {

// x on `device`. A GPU takes it from pinned memory while the work before it goes on; from ordinary memory it would first
// have to finish that.
inline at::Tensor on_device(const at::Tensor& x, c10::Device device) {
  const auto options = x.options().device(device).requires_grad(false);
  return device.is_cuda() && x.is_cpu() ? x.pin_memory().to(options, /*non_blocking=*/true) : x.to(options);
}

// Numbers, such as those of rows to be chosen.
inline at::Tensor on_device(at::IntArrayRef numbers, c10::Device device) {
  return on_device(at::tensor(numbers, c10::ScalarType::Long), device);
}

}  // namespace loralens
