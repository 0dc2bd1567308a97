// SPDX-License-Identifier: Apache-2.0
// Adapters by layer and module: the site that is an adapter's input, and an adapter's LoRA factors.
#pragma once

#include <optional>
#include <utility>

#include "analysis/analysis.h"
#include "base/error.h"
#include "whisper/adapter_set.h"
#include "whisper/sites.h"

namespace loralens {

// The site whose value is the input x of this module's adapter.
inline SiteKind input_of(Module module) {
  switch (module) {
    case Module::q_proj:
    case Module::k_proj:
    case Module::v_proj: return SiteKind::attention_in;
    case Module::out_proj: return SiteKind::heads;
    case Module::fc1: return SiteKind::mlp_in;
    case Module::fc2: return SiteKind::mlp_hidden;
    case Module::none: break;
  }
  fail("no such linear layer");
}

// The factors A and B of the adapter at this place; nullopt if there is no adapter or its update is not a product of
// two factors.
inline std::optional<Factors> factors_at(const Subject& subject, const Place& place) {
  const auto& adapters = subject.model.adapted.adapters.linear;
  const auto found = adapters.find(place);
  return found == adapters.end() ? std::nullopt : found->second->factors();
}

}  // namespace loralens
