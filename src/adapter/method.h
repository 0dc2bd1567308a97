// Ways to adapt the encoder. A new one is one file with its test and one line in registry.cc.
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

// An encoder with what a method put beside it.
struct Adapted {
  Encoder encoder;  // the base itself, or, if encoder_trained, one whose tensors are trained
  AdapterSet adapters;
  std::vector<Parameter> parameters;  // in a fixed order; trained ones are leaves that require a gradient
  bool encoder_trained = false;
};

class Method {
 public:
  virtual ~Method() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view summary() const = 0;  // one line for --help

  // Whether the encoder itself is trained.
  virtual bool trains_encoder() const { return false; }
  // Whether a clip's states in the encoder stay what they are in the base model throughout training.
  virtual bool leaves_encoder() const { return false; }

  // Attaches freshly initialised adapters (or none) to `base`, in the type of its sums and on its device. A method that
  // trains the encoder trains these very tensors: they must be nobody else's. The start depends on (seed, layer, module) alone.
  virtual Adapted attach(Encoder base, const AdapterOptions& options, uint64_t seed) const = 0;

  // The method's part of adapter_config.json; nullopt where PEFT has no such method.
  virtual std::optional<nlohmann::json> peft_config(const AdapterOptions& options) const { return std::nullopt; }
  // The options in an adapter_config.json; nullopt if that file is of another method. Error on what is not supported.
  virtual std::optional<AdapterOptions> from_peft(const nlohmann::json& config, const std::string& file) const {
    return std::nullopt;
  }
};

std::span<const Method* const> methods();

// Error, with the list of names, if there is none of this name.
const Method& method_named(std::string_view name);

// Reads an adapter_config.json through the method that knows it.
AdapterOptions read_peft_config(const Path& file);

// The encoder that computes the same without adapters: every adapted weight replaced by its merged form.
Encoder merge(const Adapted& adapted);

}  // namespace loralens
