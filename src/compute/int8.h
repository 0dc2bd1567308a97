// SPDX-License-Identifier: Apache-2.0
// Weight matrices in int8: a symmetric scale for each row, no zero points (the vector-wise quantisation of Dettmers et
// al., 2022, LLM.int8(), of weights alone).
#pragma once

#include <ATen/core/Tensor.h>

namespace loralens {

// The weight (out×in, floating point, CPU) in int8: row i holds round(w / s_i), with s_i = max|w_i| / 127 in float32.
// Rows of zeros stay zeros. The result is an out×in tensor of type Char. Behind each row its storage holds the row's
// scale (four bytes), so that the tensor is all that a layer needs; a copy of the tensor, such as contiguous(), lacks
// the scales. Memory: out×(in + 4) bytes.
at::Tensor in_int8(const at::Tensor& weight);

inline bool is_int8(const at::Tensor& weight) { return weight.scalar_type() == c10::ScalarType::Char; }

// The values of the weight in `type`: a weight of in_int8() is dequantised in float32 and then rounded to `type`. Error
// for another tensor of type Char.
at::Tensor dense(const at::Tensor& weight, c10::ScalarType type);

}  // namespace loralens
