// SPDX-License-Identifier: Apache-2.0
// Adaptation methods: how the encoder is adapted. A new method is one source file with its test and its two lines in
// methods.cc (docs/adapters.md describes the methods).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
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
  Encoder encoder;  // the shared base encoder, or, if encoder_trained, a copy with tensors that are trained
  AdapterSet adapters;
  std::vector<Parameter> parameters;  // in a fixed order; trained parameters are leaves that require a gradient
  bool encoder_trained = false;
};

// Which of the encoder's own weights a method trains.
enum class EncoderTraining : uint8_t {
  none,
  part,   // the model's file holds only the trained tensors
  whole,  // the model's file holds the whole encoder
};

// Which of the shared fields of AdapterOptions a method reads.
enum class Targeting : uint8_t {
  none,
  layers,   // layers
  modules,  // targets, target_pattern, excluded, layers
};

// Reads the tensor `name` of a file into `target`, which has the expected shape. Error for any other shape.
using TensorReader = std::function<void(const std::string& name, const at::Tensor& target)>;

class Method {
 public:
  virtual ~Method() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view summary() const = 0;  // one line for --help

  virtual Targeting targeting() const { return Targeting::none; }
  // The method's own options, in the order of --help. Methods whose options have the same name share the flag.
  virtual std::span<const MethodOption> options() const { return {}; }
  // Error if the options do not fit an encoder of this config, or if one of them has no effect.
  virtual void check(const WhisperConfig&, const AdapterOptions&) const {}

  // The same options for an adapter of a classifier, by the names that modules have there.
  virtual AdapterOptions in_classifier(const WhisperConfig& config, const AdapterOptions& options) const {
    return for_classifier(config, options);
  }

  virtual EncoderTraining encoder_training(const AdapterOptions&) const { return EncoderTraining::none; }
  // Whether the encoder's hidden states stay those of the base model throughout training.
  virtual bool leaves_encoder() const { return false; }

  // Attaches newly initialised adapters (or none) to `base`, in the type Precision::sums and on the device of `base`. A
  // method that trains the encoder trains the tensors of `base` in place: no other model may share them. Random initial
  // values depend only on the seed, the layer, the module and the tensor's shape.
  virtual Adapted attach(Encoder base, const AdapterOptions& options, uint64_t seed) const = 0;

  // Attaches adapters with arbitrary values, which load_tensors() then overwrites.
  virtual Adapted attach_to_load(Encoder base, const AdapterOptions& options) const {
    return attach(std::move(base), options, /*seed=*/0);
  }

  // The method's part of adapter_config.json; nullopt if PEFT has no such method.
  virtual std::optional<nlohmann::json> peft_config(const AdapterOptions&) const { return std::nullopt; }
  // The options in an adapter_config.json; nullopt if the file is of another method. Error for settings of this method
  // that are not supported.
  virtual std::optional<AdapterOptions> from_peft(const nlohmann::json&, const std::string& /*file*/) const {
    return std::nullopt;
  }

  // The adapters' tensors by their names in the saved file. prefix: precedes the names of modules in the file. By
  // default the parameters under their own names.
  virtual std::map<std::string, at::Tensor> tensors_to_save(const Adapted& adapted, const std::string& prefix) const;
  // Fills the adapters from a saved file. By default reads the parameters by their own names.
  virtual void load_tensors(const Adapted& adapted, const std::string& prefix, const TensorReader& read) const;
  // A linear layer outside the encoder (`name`: "projector") with the file's adapter merged into its weights, for
  // methods whose adapters may be on such layers. prefix: precedes the names of modules in the file. Error for other
  // methods.
  virtual Linear merged_module(const Linear& base, const std::string& name, const AdapterOptions& options,
                               const std::string& prefix, const TensorReader& read) const;
};

std::span<const Method* const> methods();

// Error, with the list of names, if no method has this name.
const Method& method_named(std::string_view name);

// The names of all options that the method reads, as flags without dashes: shared ones ("targets") and its own.
std::set<std::string> option_names(const Method& method);

// Reads an adapter_config.json. name: the method that saved it, since files of "lora" and "pissa" look the same; empty:
// the first of methods() that supports the file. Error if that method does not support it, or if none does.
AdapterOptions read_peft_config(const Path& file, const std::string& name = "");

// Replaces the tensors of the trained encoder that require no gradient by the base's tensors, so that all models share
// them.
void share_untrained(Adapted& adapted, const Encoder& base);

// An encoder without adapters that computes the same function: each adapter is merged into the weights. Error for an
// adapter that cannot be merged.
Encoder merge(const Adapted& adapted);

}  // namespace loralens
