// SPDX-License-Identifier: Apache-2.0
#include "whisper/adapter_set.h"

#include <algorithm>

#include "base/error.h"

namespace loralens {
namespace {

bool can_have_adapter(SiteKind kind) {
  switch (kind) {
    case SiteKind::attention_in:
    case SiteKind::query:
    case SiteKind::key:
    case SiteKind::value:
    case SiteKind::heads:
    case SiteKind::attention_out:
    case SiteKind::residual_mid:
    case SiteKind::mlp_in:
    case SiteKind::mlp_hidden:
    case SiteKind::mlp_out:
    case SiteKind::residual_out: return true;
    default: return false;
  }
}

}  // namespace

void AdapterSet::add(const Site& site, std::shared_ptr<const SiteAdapter> adapter) {
  if (!can_have_adapter(site.kind) || site.layer < 0 || site.module != Module::none)
    fail("no adapter can be at the site {} of layer {}", name_of(site.kind), site.layer);
  if (!sites_.emplace(site, std::move(adapter)).second)
    fail("the site {} of layer {} has an adapter already", name_of(site.kind), site.layer);
}

std::optional<int64_t> AdapterSet::lowest_layer() const {
  std::optional<int64_t> lowest;
  if (!linear.empty()) lowest = linear.begin()->first.layer;
  for (const auto& [site, adapter] : sites_) lowest = std::min(lowest.value_or(site.layer), site.layer);
  return lowest;
}

bool same_places(const AdapterSet& a, const AdapterSet& b) {
  const auto place = [](const auto& entry) { return entry.first; };
  return std::ranges::equal(a.linear, b.linear, {}, place, place) &&
         std::ranges::equal(a.sites(), b.sites(), {}, place, place);
}

}  // namespace loralens
