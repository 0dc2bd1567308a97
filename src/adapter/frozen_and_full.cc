// SPDX-License-Identifier: Apache-2.0
// The methods "frozen" (no encoder weight is trained, only the head) and "full" (full fine-tuning of the encoder).
#include "adapter/method.h"

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
  std::string_view summary() const override { return "every weight of the encoder is trained"; }
  bool trains_encoder() const override { return true; }
  Adapted attach(Encoder base, const AdapterOptions&, uint64_t) const override {
    Adapted adapted{std::move(base), {}, {}, true};
    visit_tensors(adapted.encoder, [&](const std::string& name, at::Tensor& tensor, std::vector<int64_t>) {
      if (name == "encoder.embed_positions.weight") return;  // constant, as in transformers
      adapted.parameters.push_back(
          {.name = name, .tensor = tensor.requires_grad_(), .role = ParameterRole::encoder, .decay = tensor.dim() > 1});
    });
    return adapted;
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
