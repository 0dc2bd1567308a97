// SPDX-License-Identifier: Apache-2.0
// Declares the existing adaptation methods; each is defined in a file of its own.
#pragma once

namespace loralens {

class Method;

const Method& lora_method();
const Method& frozen_method();
const Method& full_method();

}  // namespace loralens
