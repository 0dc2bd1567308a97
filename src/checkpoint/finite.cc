// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/finite.h"

#include <algorithm>
#include <cstdint>

#include "base/error.h"

namespace loralens {
namespace {

// A number is finite if its bits without the sign are less than those of infinity. The loop takes the maximum of all
// numbers and does not stop early, so that the compiler vectorises it.
template <typename Bits>
bool all_below(const at::Tensor& tensor, Bits infinity) {
  const auto* values = static_cast<const Bits*>(tensor.const_data_ptr());
  const Bits without_sign = static_cast<Bits>(~Bits{0}) >> 1;
  Bits largest = 0;
  for (int64_t i = 0; i < tensor.numel(); ++i) largest = std::max<Bits>(largest, values[i] & without_sign);
  return largest < infinity;
}

}  // namespace

bool all_finite(const at::Tensor& tensor) {
  TORCH_INTERNAL_ASSERT(tensor.is_cpu() && tensor.is_contiguous());
  switch (tensor.scalar_type()) {
    case at::kDouble: return all_below<uint64_t>(tensor, 0x7ff0'0000'0000'0000);
    case at::kFloat: return all_below<uint32_t>(tensor, 0x7f80'0000);
    case at::kHalf: return all_below<uint16_t>(tensor, 0x7c00);
    case at::kBFloat16: return all_below<uint16_t>(tensor, 0x7f80);
    default: return true;
  }
}

}  // namespace loralens
