// SPDX-License-Identifier: Apache-2.0
// Helpers for calling the kernels (attention, linear, pointwise): type dispatch and raw pointers of tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "compute/kernels/kernels.h"

namespace loralens {

// Whether kernels can compute on x in this type: x is on the CPU, and the processor level in use has kernels for the
// type.
inline bool has_kernels(const at::Tensor& x, c10::ScalarType type) {
  if (!x.is_cpu()) return false;
  if (type == c10::ScalarType::BFloat16) return kernels<uint16_t>() != nullptr;
  return type == c10::ScalarType::Float && kernels<float>() != nullptr;
}

// Pointer to element `first`; nullptr for an undefined tensor. T is float, or uint16_t for bfloat16 bit patterns.
template <typename T>
T* data_of(const at::Tensor& x, int64_t first = 0) {
  return x.defined() ? static_cast<T*>(x.data_ptr()) + first : nullptr;
}

// Calls work(T{}) with the C++ type of the elements: float, or uint16_t for bfloat16.
template <typename Work>
void of_type(c10::ScalarType type, const Work& work) {
  if (type == c10::ScalarType::Float)
    work(float{});
  else
    work(uint16_t{});
}

}  // namespace loralens
