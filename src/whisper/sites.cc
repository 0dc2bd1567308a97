// SPDX-License-Identifier: Apache-2.0
#include "whisper/sites.h"

#include <fmt/format.h>

#include <numeric>

#include "base/enum.h"
#include "base/error.h"

namespace loralens {

std::string_view name_of(Module module) {
  constexpr std::string_view names[] = {"", "q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"};
  return names[ordinal(module)];
}

std::string_view name_of(SiteKind kind) {
  constexpr std::string_view names[] = {"residual_in",  "attention_in", "adapter_down", "adapter_up", "query",
                                        "key",          "value",        "pattern",      "heads",      "attention_out",
                                        "residual_mid", "mlp_in",       "mlp_hidden",   "mlp_out",    "residual_out",
                                        "final_norm",   "pooled",       "projected",    "logits"};
  return names[ordinal(kind)];
}

std::string path_of(const Place& place) {
  const bool mlp = place.module == Module::fc1 || place.module == Module::fc2;
  return fmt::format("encoder.layers.{}.{}{}", place.layer, mlp ? "" : "self_attn.", name_of(place.module));
}

int64_t Pass::rows() const { return std::accumulate(lengths.begin(), lengths.end(), int64_t{0}); }

int64_t Pass::clips() const { return static_cast<int64_t>(segments.empty() ? lengths.size() : segments.size()); }

bool Taps::wanted(const Site& site) const {
  for (const auto* intervention : interventions)
    if (intervention->wants(site)) return true;
  for (const auto* observer : observers)
    if (observer->wants(site)) return true;
  return false;
}

at::Tensor Taps::at(const Pass& pass, const Site& site, at::Tensor value, int64_t segment) const {
  for (auto* intervention : interventions) {
    if (!intervention->wants(site)) continue;
    at::Tensor replaced = intervention->replace(pass, site, value, segment);
    if (replaced.sizes() != value.sizes())
      fail("an intervention at {} of layer {} changed the shape of the value", name_of(site.kind), site.layer);
    value = std::move(replaced);
  }
  for (auto* observer : observers)
    if (observer->wants(site)) observer->see(pass, site, value, segment);
  return value;
}

}  // namespace loralens
