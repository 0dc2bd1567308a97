// SPDX-License-Identifier: Apache-2.0
#include "whisper/site_names.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/enum.h"
#include "base/error.h"
#include "base/nearest.h"

namespace loralens {
namespace {

bool within_layers(SiteKind kind) { return kind <= SiteKind::residual_out; }
bool within_adapters(SiteKind kind) { return kind == SiteKind::adapter_down || kind == SiteKind::adapter_up; }

void add_kind(SiteKind kind, int64_t layer, std::vector<Site>& sites) {
  if (!within_adapters(kind)) return sites.push_back({kind, layer});
  for (const Module module : linear_modules) sites.push_back({kind, layer, module});
}

}  // namespace

std::string text_of(const Site& site) {
  std::string text(name_of(site.kind));
  if (within_layers(site.kind)) text += fmt::format(".{}", site.layer);
  if (within_adapters(site.kind)) text += fmt::format(".{}", name_of(site.module));
  return text;
}

std::vector<Site> all_sites(int64_t layers) {
  std::vector<Site> sites;
  const auto first = SiteKind::residual_in, last = SiteKind::residual_out;
  for (int64_t layer = 0; layer < layers; ++layer)
    for (auto kind = ordinal(first); kind <= ordinal(last); ++kind) add_kind(static_cast<SiteKind>(kind), layer, sites);
  for (auto kind = ordinal(last) + 1; kind <= ordinal(SiteKind::logits); ++kind)
    add_kind(static_cast<SiteKind>(kind), -1, sites);
  return sites;
}

std::optional<SiteKind> site_kind(std::string_view name) {
  for (size_t kind = 0; kind <= ordinal(SiteKind::logits); ++kind)
    if (name_of(static_cast<SiteKind>(kind)) == name) return static_cast<SiteKind>(kind);
  return std::nullopt;
}

Site parse_site(std::string_view name, int64_t layers) {
  const std::vector<Site> sites = all_sites(layers);
  const auto found = std::ranges::find(sites, name, text_of);
  if (found != sites.end()) return *found;
  std::vector<std::string> names;
  for (const Site& site : sites) names.push_back(text_of(site));
  const std::string near = nearest(name, names);
  fail("there is no site '{}' in an encoder of {} layers{}", name, layers,
       near.empty() ? ": names are residual_out.3, adapter_up.3.v_proj or pooled, for example"
                    : fmt::format(": did you mean '{}'?", near));
}

}  // namespace loralens
