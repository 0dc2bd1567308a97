// Dropout whose mask is a hash of where an element is, not a draw from a stream: the same clip gets the same mask
// whatever batch, process or resumed run it is in.
#pragma once

#include <ATen/core/Tensor.h>

#include "whisper/sites.h"

namespace loralens {

// ΣT×width of zeros (share `rate`) and ones, for the input of one linear layer's adapter, in x's type and on its
// device. Element (t, d) of a segment depends on (seed, epoch, segment key, layer, module, t·width + d) alone.
// The caller scales by 1/(1 - rate), since that number has no exact bfloat16. rate: [0, 1).
at::Tensor dropout_mask(const Pass& pass, int64_t layer, Module module, double rate, const at::Tensor& x);

}  // namespace loralens
