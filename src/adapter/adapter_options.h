// SPDX-License-Identifier: Apache-2.0
// Options of adaptation: the method, the modules and layers that it adapts, and the method's own options. Names and
// matching rules of modules are those of PEFT.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/method_option.h"
#include "whisper/encoder.h"

namespace loralens {

// Which biases of the encoder are trained beside an adapter (bias of PEFT).
enum class TrainedBiases : uint8_t {
  none,
  adapted,  // "lora_only", "vera_only": those of the adapted modules
  all,
};

inline constexpr std::string_view paper_method = "lora";  // the method of arXiv 2509.08454

struct AdapterOptions {
  std::string method{paper_method};  // one of methods() (method.h)

  // targets (target_modules of PEFT): a module is adapted if its name, such as "encoder.layers.3.self_attn.v_proj",
  // equals one of these or ends in a dot followed by one of these. A target_pattern that is not empty replaces them: a
  // regular expression that must match the whole name.
  std::vector<std::string> targets = {"v_proj"};
  std::string target_pattern;
  std::vector<std::string> excluded;  // exclude_modules; matched like targets
  std::string excluded_pattern;  // exclude_modules as a regular expression that must match the whole name; "": none
  // What the names above call the encoder: PEFT matches them in the model that it adapted (PeftNames::encoder).
  std::string encoder_name = "encoder.";
  TrainedBiases biases = TrainedBiases::none;  // other than none only in adapters that PEFT saved
  std::vector<int64_t> layers;  // layers_to_transform, from 0; empty: all

  OwnOptions own;  // the method's own options, such as LoraOptions; empty: their defaults

  // The name of a module in the model that PEFT adapted. path: path_of().
  std::string name_in_peft(const std::string& path) const;
  // The same for "projector" and "classifier": "net.projector" where the encoder is "net.encoder.".
  std::string head_name_in_peft(const std::string& layer) const;

  // The method's own options. Error if they belong to another method.
  template <typename T>
  const T& own_as() const {
    return own_or_defaults<T>(own);
  }
};

// The encoder layers that the options choose, ascending. Error if a layer does not exist.
std::vector<int64_t> target_layers(const WhisperConfig& config, const AdapterOptions& options);

// The linear layers that the options choose, ordered by layer and module. Error if no module matches, if a layer does
// not exist, or if the regular expression is invalid or takes too long (base/pattern.h).
std::vector<Place> target_modules(const WhisperConfig& config, const AdapterOptions& options);

// Options that choose the same modules in a classifier, by their whole names, for an adapter of another model
// (encoder_name); options for a classifier are returned unchanged.
AdapterOptions for_classifier(const WhisperConfig& config, const AdapterOptions& options);

}  // namespace loralens
