// SPDX-License-Identifier: Apache-2.0
// Checks tensors from files for NaN and infinity, which would make predictions meaningless.
#pragma once

#include <ATen/core/Tensor.h>

namespace loralens {

// False if a contiguous floating-point tensor on the CPU holds a NaN or an infinity; true for other element types.
bool all_finite(const at::Tensor& tensor);

}  // namespace loralens
