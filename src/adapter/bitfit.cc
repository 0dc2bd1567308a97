// SPDX-License-Identifier: Apache-2.0
// BitFit (Ben Zaken et al., 2022): the biases of the encoder are trained, those of linear layers, norms and the stem.
#include "adapter/trained_tensors.h"

namespace loralens {
namespace {

class BitFit : public Method {
 public:
  std::string_view name() const override { return "bitfit"; }
  std::string_view summary() const override { return "the biases of the encoder are trained"; }
  Targeting targeting() const override { return Targeting::layers; }
  void check(const WhisperConfig& config, const AdapterOptions& options) const override {
    target_layers(config, options);
  }
  EncoderTraining encoder_training(const AdapterOptions&) const override { return EncoderTraining::part; }
  Adapted attach(Encoder base, const AdapterOptions& options, uint64_t) const override {
    return with_trained_tensors(std::move(base), options,
                                [](const std::string& name) { return name.ends_with(".bias"); });
  }
};

}  // namespace

const Method& bitfit_method() {
  static const BitFit method;
  return method;
}

}  // namespace loralens
