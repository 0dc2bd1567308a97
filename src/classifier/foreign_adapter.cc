// SPDX-License-Identifier: Apache-2.0
#include "classifier/foreign_adapter.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>

#include <algorithm>

#include "adapter/trained_tensors.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/shell.h"
#include "classifier/model_folder.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr const char* head_layers[] = {"projector", "classifier"};
constexpr const char* head_tensors_read[] = {"projector.weight", "projector.bias", "classifier.weight",
                                             "classifier.bias"};

// The tensors that belong neither to the encoder nor, as VeRA's projections, to the adapters.
std::vector<std::string> outside_the_encoder(const TensorSource& source) {
  std::vector<std::string> names;
  for (const std::string& name : source.names())
    if (!name.starts_with("encoder.") && !name.starts_with("base_model.")) names.push_back(name);
  return names;
}

// Whether a tensor belongs to an adapter of this layer of the head, whatever the method.
bool is_adapter_of(const std::string& name, const std::string& layer) {
  return std::ranges::any_of(std::initializer_list<const char*>{".lora_", ".vera_", ".ia3_"},
                             [&](const char* part) { return name.starts_with(layer + part); });
}

bool has_adapter(const TensorSource& source, const std::string& layer) {
  return std::ranges::any_of(source.names(), [&](const std::string& name) { return is_adapter_of(name, layer); });
}

// Whether the biases of this name were trained with the adapter.
bool is_trained_bias(const std::string& name, const EmotionModel& model) {
  if (!name.ends_with(".bias") || model.options.biases == TrainedBiases::none) return false;
  if (model.options.biases == TrainedBiases::all) return true;
  return std::ranges::any_of(model.adapted.adapters.linear,
                             [&](const auto& adapter) { return name == path_of(adapter.first) + ".bias"; });
}

}  // namespace

std::string head_fault(const TensorSource& source, const TensorSource* of_base) {
  const auto known = [&](const std::string& name) {
    return source.contains(name) || (of_base && of_base->contains(name));
  };
  std::string unknown;  // layers that are adapted, but whose own weights are missing
  std::vector<std::string> own;
  for (const std::string& name : outside_the_encoder(source))
    if (std::ranges::none_of(head_layers, [&](const char* layer) { return is_adapter_of(name, layer); }))
      own.push_back(name);
  for (const std::string layer : head_layers) {
    if (!has_adapter(source, layer)) continue;
    if (!source.contains(layer + ".lora_A.weight"))
      return fmt::format("it adapts the head's {} with a method that is supported in the encoder alone", layer);
    if (!known(layer + ".weight")) unknown += fmt::format("{}{}", unknown.empty() ? "" : " and ", layer);
  }
  if (!unknown.empty())
    return fmt::format(
        "it adapts the head's {}, whose own weights are not in the file (PEFT saves them if "
        "modules_to_save names them)",
        unknown);
  const auto missing = std::ranges::find_if(head_tensors_read, [&](const char* name) { return !known(name); });
  const bool other_form = of_base && std::ranges::any_of(own, [](const std::string& name) {
                            return std::ranges::find(head_tensors_read, name) == std::end(head_tensors_read);
                          });
  if (missing == std::end(head_tensors_read) && !other_form) return "";
  if (own.empty()) return "the adapter has no emotion head (projector, classifier)";
  return fmt::format("its head is {}{}; loralens reads heads of {}", fmt::join(own, ", "),
                     other_form ? "" : fmt::format(": the tensor {}{} is missing", source.prefix(), *missing),
                     fmt::join(head_tensors_read, ", "));
}

void refuse_headless(const Path& folder, const Path& file, const std::string& why) {
  fail(
      "{}: {}: train a head with 'loralens train --from {} --model BASE --corpus TABLE', or give the adapter to "
      "'loralens analyze', which needs no head for some analyses",
      file.string(), why, shell_word(folder.string()));
}

void ignore_heads(TensorSource& source, bool all) {
  for (const std::string under : {"", read_out_prefix})
    for (const char* name :
         {"projector.weight", "projector.bias", "classifier.weight", "classifier.bias", "layer_weights"})
      source.ignore(under + name);
  if (!all) return;
  for (const std::string& name : outside_the_encoder(source)) source.ignore(name);
}

void merge_head_adapters(EmotionModel& model, TensorSource& source) {
  const Method& method = method_named(model.options.method);
  for (const char* layer : head_layers) {
    if (!has_adapter(source, layer)) continue;
    Linear& linear = std::string_view(layer) == "projector" ? model.head.projector : model.head.classifier;
    const Linear merged =
        method.merged_module({linear.weight.detach(), linear.bias.detach()}, layer, model.options, source.prefix(),
                             [&](const std::string& name, const Tensor& target) { source.fill_whole(name, target); });
    linear.weight.detach().copy_(merged.weight.detach());
    // A bias that was trained with the adapter, beside weights of the base model.
    if (const std::string bias = std::string(layer) + ".bias"; source.contains(bias)) source.fill(bias, linear.bias);
  }
}

void load_encoder_tensors(EmotionModel& model, TensorSource& source) {
  int64_t lost = 0;
  Adapted& adapted = model.adapted;
  visit_tensors(adapted.encoder, [&](const std::string& name, Tensor& tensor, const std::vector<int64_t>& shape) {
    const bool trained = is_trained_bias(name, model);
    if (!source.contains(name)) {
      lost += trained;
      return;
    }
    const Tensor read = at::empty(shape, trained ? adapted.encoder.norm.weight.options() : tensor.options());
    source.fill(name, read);
    if (trained) {
      tensor = read;
      adapted.encoder_trained = true;
      adapted.parameters.push_back({.name = name,
                                    .tensor = read,
                                    .role = ParameterRole::encoder,
                                    .layer = layer_of_tensor(name, adapted.encoder.config)});
    } else if (!at::equal(read, tensor)) {
      fail(
          "{}: its weights {} are not those of the base model {}: it adapts another model, which --model can name, or "
          "it trains them beside its adapters (modules_to_save), which is supported for the head alone",
          source.path().string(), name, model.base);
    }
  });
  if (lost > 0)
    log_line(
        fmt::format("{}: the trained biases of {} modules are not in it, although \"bias\" asks for them (some "
                    "versions of PEFT do not save them): those of the base model are used",
                    source.path().string(), lost));
}

}  // namespace loralens
