// Copies to a GPU that the processor does not wait for.
#pragma once

#include <ATen/core/Tensor.h>

namespace loralens {

// x on `device`. A GPU takes it from pinned memory while the work before it goes on; from ordinary memory it would first
// have to finish that.
inline at::Tensor on_device(const at::Tensor& x, c10::Device device) {
  const auto options = x.options().device(device).requires_grad(false);
  return device.is_cuda() && x.is_cpu() ? x.pin_memory().to(options, /*non_blocking=*/true) : x.to(options);
}

}  // namespace loralens
