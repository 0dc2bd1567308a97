// SPDX-License-Identifier: Apache-2.0
// All kernels for the vectors that the including file is compiled for. Included by one file for each processor level.
#pragma once

#include "compute/kernels/attention.h"
#include "compute/kernels/few_rows.h"
#include "compute/kernels/pointwise.h"
#include "compute/kernels/product.h"

namespace loralens {
namespace {

template <typename T>
constexpr Kernels<T> kernels_of_level{
    .pack = pack_panels<T>,
    .multiply = multiply_rows<T>,
    .attention_scratch = forward_bytes<T>,
    .attention_backward_scratch = backward_bytes<T>,
    .attention = forward_head<T>,
    .attention_backward = backward_head<T>,
    .add_and_norm = forward_rows<T>,
    .add_and_norm_backward = backward_rows<T>,
    .gelu = gelu_forward<T>,
    .gelu_backward = gelu_gradient<T>,
};

template <typename T>
constexpr DecodingKernels<T> decoding_kernels_of_level{
    .multiply = multiply_few_rows<T>,
    .attend = attend_one_query<T>,
};

}  // namespace
}  // namespace loralens
