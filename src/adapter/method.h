// SPDX-License-Identifier: Apache-2.0
// Adaptation methods (lora, frozen, full): how the encoder is adapted. A new method is one file with its test, one
// declaration in methods.h and one line in methods.cc.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/adapter_options.h"
#include "adapter/parameter.h"
#include "whisper/encoder.h"

namespace loralens {

// An encoder with the adapters that a method attached to it.
struct Adapted {
  Encoder encoder;  // the shared base encoder, or, if encoder_trained, a copy whose tensors are trained
  AdapterSet adapters;
  std::vector<Parameter> parameters;  // in a fixed order; trained parameters are leaves that require a gradient
  bool encoder_trained = false;
};

class Method {
 public:
  virtual ~Method() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view summary() const = 0;  // one line for --help

  // Whether the encoder's own weights are trained.
  virtual bool trains_encoder() const { return false; }
  // Whether the encoder's hidden states stay those of the base model throughout training.
  virtual bool leaves_encoder() const { return false; }

  // Attaches freshly initialised adapters (or none) to `base`, of the type Precision::sums and on its device.
  // A method that trains the encoder trains the tensors of `base` in place: no other model may share them. The initial
  // values depend only on (seed, layer, module).
  virtual Adapted attach(Encoder base, const AdapterOptions& options, uint64_t seed) const = 0;

  // The method's part of adapter_config.json; nullopt if PEFT has no such method.
  virtual std::optional<nlohmann::json> peft_config(const AdapterOptions& options) const { return std::nullopt; }
  // The options in an adapter_config.json; nullopt if the file is for another method. Error for unsupported settings.
  virtual std::optional<AdapterOptions> from_peft(const nlohmann::json& config, const std::string& file) const {
    return std::nullopt;
  }
};

std::span<const Method* const> methods();

// Error, with the list of names, if no method has this name.
const Method& method_named(std::string_view name);

// Reads an adapter_config.json with the method that its peft_type names. Error if no method supports it.
AdapterOptions read_peft_config(const Path& file);

// An encoder without adapters that computes the same function: each adapter is merged into its linear layer.
Encoder merge(const Adapted& adapted);

}  // namespace loralens
