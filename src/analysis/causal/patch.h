// SPDX-License-Identifier: Apache-2.0
// Activation patches: one value of a pass is replaced by that of another pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <utility>

#include "whisper/sites.h"

namespace loralens {

// The parts of a layer that are patched, as rows name them, and the sites of their outputs.
inline constexpr std::array<const char*, 2> patched_parts = {"attention", "mlp"};
inline constexpr std::array patched_sites = {SiteKind::attention_out, SiteKind::mlp_out};

// Replaces the value at one site.
class Patch : public Intervention {
 public:
  Patch(const Site& site, at::Tensor value) : site_(site), value_(std::move(value)) {}
  bool wants(const Site& site) const override { return site == site_; }
  at::Tensor replace(const Pass&, const Site&, const at::Tensor&, int64_t) override { return value_; }

 private:
  Site site_;
  at::Tensor value_;
};

}  // namespace loralens
