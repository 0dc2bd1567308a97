// SPDX-License-Identifier: Apache-2.0
// Dropout with a reproducible mask: the mask is a hash of an element's position, not a draw from a random stream, so a
// clip gets the same mask in every batch and process, and after a resume.
#pragma once

#include <ATen/core/Tensor.h>

#include "whisper/sites.h"

namespace loralens {

// Sets a random share `rate` of the elements of x to zero; differentiable. x: ΣT×width, the input of a linear layer's
// adapter. The mask at element (t, d) of a segment depends only on (seed, epoch, segment key, layer, module,
// t·width + d). The caller scales by 1/(1 - rate), because that number is not exact in bfloat16. rate: [0, 1).
// Error if the pass does not have a key for each segment.
at::Tensor with_dropout(const Pass& pass, int64_t layer, Module module, double rate, const at::Tensor& x);

}  // namespace loralens
