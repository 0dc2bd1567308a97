// SPDX-License-Identifier: Apache-2.0
// Names of sites, as files and command lines hold them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "whisper/sites.h"

namespace loralens {

// "residual_out.3", "adapter_up.3.v_proj", "final_norm".
std::string name_of(const Site& site);

// The kind of this name ("residual_out"); nullopt for another text.
std::optional<SiteKind> site_kind(std::string_view name);

}  // namespace loralens
