// SPDX-License-Identifier: Apache-2.0
// What an adaptation changes in the weight and the bias of a linear layer.
#pragma once

#include "whisper/adapter_set.h"

namespace loralens {

// The layer in float64, detached.
Linear exact(const Linear& linear);

// The change from one layer to another: float64, CPU; the bias is undefined if the layer has none.
Linear change_of(const Linear& base, const Linear& changed);

// The change that an adapter makes, in float64, since a difference of rounded weights would hide a small update.
Linear update_of(const Linear& base, const LinearAdapter& adapter);

}  // namespace loralens
