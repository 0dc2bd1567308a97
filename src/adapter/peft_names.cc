// SPDX-License-Identifier: Apache-2.0
#include "adapter/peft_names.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/formats/json.h"

namespace loralens {
namespace {

constexpr std::string_view of_peft = "base_model.", of_model = "model.";
// Parts of a name behind which PEFT's modules hold a tensor per adapter, and those that hold no module per adapter but
// the tensor itself.
constexpr std::string_view modules_per_adapter[] = {"lora_A", "lora_B"},
                           tensors_per_adapter[] = {
                               "lora_magnitude_vector", "lora_embedding_A", "lora_embedding_B", "vera_lambda_b",
                               "vera_lambda_d",         "vera_A",           "vera_B",           "ia3_l"};

bool is_one_of(std::string_view part, std::span<const std::string_view> names) {
  return std::ranges::find(names, part) != names.end();
}

bool is_adapter_part(std::string_view part) {
  return is_one_of(part, modules_per_adapter) || is_one_of(part, tensors_per_adapter);
}

bool is_leaf(std::string_view part) { return part == "weight" || part == "bias"; }

bool is_number(std::string_view part) { return part.find_first_not_of("0123456789") == std::string_view::npos; }

std::vector<std::string> parts_of(const std::string& name) {
  std::vector<std::string> parts(1);
  for (const char c : name)
    if (c == '.')
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

// The name of a module or tensor in the model, without what PEFT puts into it; "" for the weights of a head before the
// training, which PEFT replaced by a trained copy. adapters: receives the names of adapters.
std::string plain_name(const std::string& name, std::set<std::string>& adapters) {
  const auto parts = parts_of(name);
  std::vector<std::string> kept;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string& part = parts[i];
    if (part == "original_module") return "";
    if (part == "base_layer") continue;
    const size_t left = parts.size() - i - 1;
    if (part == "modules_to_save") {
      if (left >= 2 && !is_leaf(parts[i + 1]) && !is_number(parts[i + 1])) adapters.insert(parts[++i]);
      continue;
    }
    kept.push_back(part);
    if (!is_adapter_part(part)) continue;
    const bool module = is_one_of(part, modules_per_adapter);
    if (left >= 1 && !is_leaf(parts[i + 1])) adapters.insert(parts[++i]);
    if (!module && i + 2 == parts.size() && is_leaf(parts[i + 1])) ++i;  // a tensor that was a module's weight
  }
  return fmt::format("{}", fmt::join(kept, "."));
}

// The part of a name that ends with the encoder's own name: "model.encoder." of "model.encoder.layers.0.fc1"; nullopt
// if the name is not of the encoder's layers.
std::optional<std::string> encoder_in(const std::string& name) {
  if (name.starts_with("layers.")) return "";
  constexpr std::string_view layers = "encoder.layers.";
  for (size_t at = name.find(layers); at != std::string::npos; at = name.find(layers, at + 1))
    if (at == 0 || name[at - 1] == '.') return name.substr(0, at + std::string_view("encoder.").size());
  return std::nullopt;
}

bool is_of_decoder(const std::string& name) {
  const auto parts = parts_of(name);
  return std::ranges::any_of(parts, [](const auto& part) { return part == "decoder" || part == "proj_out"; });
}

// The module of an adapter's tensor; "" for another tensor.
std::string adapted_module(const std::string& name) {
  std::string module;
  for (const std::string& part : parts_of(name)) {
    if (is_adapter_part(part)) return module;
    module += part + ".";
  }
  return "";
}

// The tensor's name in a classifier. encoder: PeftNames::encoder.
std::string in_classifier(const std::string& name, const std::string& encoder) {
  constexpr std::string_view own = "encoder.";
  if (name.starts_with(encoder) && !encoder.empty()) return std::string(own) + name.substr(encoder.size());
  if (encoder.empty()) {
    for (const char* start : {"layers.", "conv1.", "conv2.", "layer_norm.", "embed_positions."})
      if (name.starts_with(start)) return std::string(own) + name;
    return name;
  }
  const std::string around = encoder.substr(0, encoder.size() - own.size());  // of a model that holds the classifier
  return name.starts_with(around) ? name.substr(around.size()) : name;
}

}  // namespace

PeftNames read_peft_names(const std::vector<std::string>& names, const std::string& file) {
  PeftNames found;
  std::set<std::string> adapters, encoders, decoder;
  std::map<std::string, std::string> plain;  // by name in the file
  std::vector<std::pair<std::string, std::string>> shared;  // tensors outside the model: VeRA's projections
  for (const std::string& name : names) {
    std::string_view inner = name;
    const bool of_peft_model = inner.starts_with(of_peft);
    if (of_peft_model) inner.remove_prefix(of_peft.size());
    const bool in_model = !of_peft_model || inner.starts_with(of_model);
    if (of_peft_model && in_model) inner.remove_prefix(of_model.size());
    const std::string own = plain_name(std::string(inner), adapters);
    if (own.empty()) continue;
    if (!in_model) {
      shared.emplace_back(std::string(of_peft) + own, name);
      continue;
    }
    plain[name] = own;
    if (is_of_decoder(own)) {
      if (const std::string module = adapted_module(own); !module.empty()) decoder.insert(module);
    } else if (const auto encoder = encoder_in(own); encoder && !adapted_module(own).empty()) {
      encoders.insert(*encoder);
    }
  }
  if (adapters.size() > 1)
    fail("{}: it holds several adapters ({}): save one of them alone", file, fmt::join(adapters, ", "));
  if (encoders.size() > 1)
    fail("{}: it adapts several encoders ({}), and a Whisper model has one", file, fmt::join(encoders, ", "));
  if (encoders.empty() && !decoder.empty())
    fail("{}: it adapts {} modules of the decoder and none of the encoder, which is the part that loralens reads", file,
         decoder.size());
  if (!encoders.empty()) found.encoder = *encoders.begin();
  found.decoder_modules = std::ssize(decoder);
  const auto add = [&](const std::string& today, const std::string& name) {
    const auto [place, fresh] = found.in_file.emplace(today, name);
    if (!fresh) found.copies.emplace_back(place->second, name);
  };
  for (const auto& [name, own] : plain)
    if (!is_of_decoder(own)) add(peft_prefix + in_classifier(own, found.encoder), name);
  for (const auto& [today, name] : shared) add(today, name);
  return found;
}

}  // namespace loralens
