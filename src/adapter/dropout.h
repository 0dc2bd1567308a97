// Dropout whose mask is a hash of where an element is, not a draw from a stream: the same clip gets the same mask
// whatever batch, process or resumed run it is in.
#pragma once

#include <ATen/core/Tensor.h>

#include "whisper/sites.h"

namespace loralens {

// x (ΣT×width, the input of one linear layer's adapter) with a share `rate` of its elements replaced by zero; differentiable.
// Element (t, d) of a segment depends on (seed, epoch, segment key, layer, module, t·width + d) alone.
// The caller scales by 1/(1 - rate), since that number has no exact bfloat16. rate: [0, 1).
at::Tensor with_dropout(const Pass& pass, int64_t layer, Module module, double rate, const at::Tensor& x);

}  // namespace loralens
