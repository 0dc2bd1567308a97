// SPDX-License-Identifier: Apache-2.0
// The list of all methods. A method has two lines here: its declaration and its place in the order of --help.
#include "adapter/method.h"
#include "base/error.h"
#include "base/formats/json.h"

namespace loralens {

const Method& lora_method();
const Method& pissa_method();
const Method& dora_method();
const Method& vera_method();
const Method& ia3_method();
const Method& houlsby_method();
const Method& pfeiffer_method();
const Method& bitfit_method();
const Method& frozen_method();
const Method& full_method();

std::map<std::string, at::Tensor> Method::tensors_to_save(const Adapted& adapted, const std::string& prefix) const {
  std::map<std::string, at::Tensor> tensors;
  for (const Parameter& p : adapted.parameters) tensors[prefix + p.name] = p.tensor;
  return tensors;
}

void Method::load_tensors(const Adapted& adapted, const std::string& prefix, const TensorReader& read) const {
  for (const Parameter& p : adapted.parameters) read(prefix + p.name, p.tensor);
}

Linear Method::merged_module(const Linear&, const std::string& name, const AdapterOptions&, const std::string&,
                             const TensorReader&) const {
  fail("an adapter of the method {} on {}, outside the encoder, is not supported", this->name(), name);
}

std::span<const Method* const> methods() {
  static const Method* const all[] = {
      &lora_method(),    &pissa_method(),    &dora_method(),   &vera_method(),   &ia3_method(),
      &houlsby_method(), &pfeiffer_method(), &bitfit_method(), &frozen_method(), &full_method(),
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

std::set<std::string> option_names(const Method& method) {
  std::set<std::string> names;
  if (method.targeting() != Targeting::none) names = {"layers"};
  if (method.targeting() == Targeting::modules) names.insert({"targets", "target-pattern", "exclude"});
  for (const MethodOption& option : method.options()) names.insert(option.name);
  return names;
}

AdapterOptions read_peft_config(const Path& file, const std::string& name) {
  const auto json = read_json_object(file);
  for (const Method* method : methods()) {
    if (!name.empty() && method != &method_named(name)) continue;
    if (const auto options = method->from_peft(json, file.string())) return *options;
  }
  const auto type = json.find("peft_type");
  const std::string found = type == json.end() ? "(missing peft_type)" : shown_json(*type);
  if (!name.empty())
    fail("{}: adapters of the type {} do not fit the method {} that config.json names", file.string(), found, name);
  fail("{}: adapters of the type {} are not supported", file.string(), found);
}

void share_untrained(Adapted& adapted, const Encoder& base) {
  std::map<std::string, at::Tensor> shared;
  visit_tensors(base, [&](const std::string& name, const at::Tensor& tensor) { shared[name] = tensor; });
  visit_tensors(adapted.encoder, [&](const std::string& name, at::Tensor& tensor, std::vector<int64_t>) {
    if (!tensor.requires_grad()) tensor = shared.at(name);
  });
}

Encoder merge(const Adapted& adapted) {
  Encoder encoder = adapted.encoder;
  for (const auto& [place, adapter] : adapted.adapters.linear) {
    Linear& linear = encoder.linear(place.layer, place.module);
    linear = adapter->merged(linear);
  }
  for (const auto& [site, adapter] : adapted.adapters.sites())
    if (!adapter->merge_into(encoder.layers.at(site.layer), site))
      fail("the adapter at {} of layer {} cannot be merged into the weights: use the model without merging",
           name_of(site.kind), site.layer);
  return encoder;
}

}  // namespace loralens
