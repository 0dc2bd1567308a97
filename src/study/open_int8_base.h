// SPDX-License-Identifier: Apache-2.0
// Opens base encoders with weights in int8.
#pragma once

#include "classifier/int8_base.h"
#include "study/open_run.h"

namespace loralens {

// open_base() with the weights of the linear layers in int8.
Base open_int8_base(const std::string& model, const Compute& compute, Int8Weights weights);

}  // namespace loralens
