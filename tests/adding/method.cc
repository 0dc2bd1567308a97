// SPDX-License-Identifier: Apache-2.0
// A toy method: the encoder's last norm has twice its gain, and only the head is trained.
#include "adapter/method.h"

namespace loralens {
namespace {

class Toy : public Method {
 public:
  std::string_view name() const override { return "toy"; }
  std::string_view summary() const override { return "twice the gain of the last norm"; }
  Adapted attach(Encoder base, const AdapterOptions&, uint64_t) const override {
    base.norm.weight = base.norm.weight.mul(2);
    return {std::move(base), {}, {}, false};
  }
};

}  // namespace

const Method& toy_method() {
  static const Toy method;
  return method;
}

}  // namespace loralens
