// SPDX-License-Identifier: Apache-2.0
// Reading an encoder whose linear layers keep their weights in another form than a floating-point type.
#pragma once

#include "whisper/encoder.h"

namespace loralens {

// Makes a linear layer's weight from its values (out×in, float32, on the CPU).
using WeightForm = std::function<at::Tensor(const at::Tensor& values)>;

// load_encoder(), but for the weights of linear layers, which are read in float32 one at a time and replaced by
// form(values). Biases have the type precision.compute. Same errors.
LoadedEncoder load_encoder(const Path& folder, Precision precision, c10::Device device, const WeightForm& form);

}  // namespace loralens
