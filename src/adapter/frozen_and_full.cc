// SPDX-License-Identifier: Apache-2.0
// The methods "frozen" (no encoder weight is trained, only the head) and "full" (fine-tuning of the whole encoder or of
// some layers).
#include "adapter/trained_tensors.h"

namespace loralens {
namespace {

class Frozen : public Method {
 public:
  std::string_view name() const override { return "frozen"; }
  std::string_view summary() const override { return "only the emotion head is trained"; }
  bool leaves_encoder() const override { return true; }
  Adapted attach(Encoder base, const AdapterOptions&, uint64_t) const override {
    return {std::move(base), {}, {}, false};
  }
};

class Full : public Method {
 public:
  std::string_view name() const override { return "full"; }
  std::string_view summary() const override { return "every weight of the encoder, or of some layers, is trained"; }
  Targeting targeting() const override { return Targeting::layers; }
  void check(const WhisperConfig& config, const AdapterOptions& options) const override {
    target_layers(config, options);
  }
  EncoderTraining encoder_training(const AdapterOptions& options) const override {
    return options.layers.empty() ? EncoderTraining::whole : EncoderTraining::part;
  }
  Adapted attach(Encoder base, const AdapterOptions& options, uint64_t) const override {
    return with_trained_tensors(std::move(base), options, [](const std::string&) { return true; });
  }
};

}  // namespace

const Method& frozen_method() {
  static const Frozen method;
  return method;
}

const Method& full_method() {
  static const Full method;
  return method;
}

}  // namespace loralens
