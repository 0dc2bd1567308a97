// What the callers of the AVX-512 kernels (attention, linear, pointwise) share: tensors as the kernels want them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "compute/processor.h"

namespace loralens {

// Whether the kernels compute with x in this type: float32 or bfloat16, at a processor level that has its instructions.
inline bool for_avx512(const at::Tensor& x, c10::ScalarType type) {
  if (!x.is_cpu()) return false;
  if (type == c10::ScalarType::BFloat16) return processor_level() >= ProcessorLevel::avx512_bf16;
  return type == c10::ScalarType::Float && processor_level() >= ProcessorLevel::avx512;
}

// From element `first` on; nullptr of an undefined tensor. T is float, or uint16_t for the bits of bfloat16.
template <typename T>
T* data_of(const at::Tensor& x, int64_t first = 0) {
  return x.defined() ? static_cast<T*>(x.data_ptr()) + first : nullptr;
}

// Calls work(T{}), T the element type of memory of this type.
template <typename Work>
void of_type(c10::ScalarType type, const Work& work) {
  if (type == c10::ScalarType::Float)
    work(float{});
  else
    work(uint16_t{});
}

}  // namespace loralens
