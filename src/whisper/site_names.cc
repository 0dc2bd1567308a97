// SPDX-License-Identifier: Apache-2.0
#include "whisper/site_names.h"

#include <fmt/format.h>

#include "base/enum.h"

namespace loralens {

std::string name_of(const Site& site) {
  std::string name(name_of(site.kind));
  if (site.layer >= 0) name += fmt::format(".{}", site.layer);
  if (site.module != Module::none) name += fmt::format(".{}", name_of(site.module));
  return name;
}

std::optional<SiteKind> site_kind(std::string_view name) {
  for (size_t kind = 0; kind <= ordinal(SiteKind::logits); ++kind)
    if (name_of(static_cast<SiteKind>(kind)) == name) return static_cast<SiteKind>(kind);
  return std::nullopt;
}

}  // namespace loralens
