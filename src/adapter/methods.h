// The methods that exist, one function a file.
#pragma once

namespace loralens {

class Method;

const Method& lora_method();
const Method& frozen_method();
const Method& full_method();

}  // namespace loralens
