// SPDX-License-Identifier: Apache-2.0
#include "adapter/methods.h"

#include "adapter/method.h"
#include "base/error.h"
#include "base/formats/json.h"

namespace loralens {

std::span<const Method* const> methods() {
  static const Method* const all[] = {
      &lora_method(),
      &frozen_method(),
      &full_method(),
  };
  return all;
}

const Method& method_named(std::string_view name) {
  std::string names;
  for (const Method* method : methods()) {
    if (method->name() == name) return *method;
    names += (names.empty() ? "" : " ") + std::string(method->name());
  }
  fail("there is no method '{}': choose among {}", name, names);
}

AdapterOptions read_peft_config(const Path& file) {
  const auto json = read_json_object(file);
  for (const Method* method : methods())
    if (const auto options = method->from_peft(json, file.string())) return *options;
  const auto type = json.find("peft_type");
  fail("{}: adapters of the type {} are not supported", file.string(),
       type == json.end() ? "(missing peft_type)" : shown(*type));
}

Encoder merge(const Adapted& adapted) {
  Encoder encoder = adapted.encoder;
  for (const auto& [place, adapter] : adapted.adapters) {
    Linear& linear = encoder.linear(place.first, place.second);
    linear = adapter->merged(linear);
  }
  return encoder;
}

}  // namespace loralens
