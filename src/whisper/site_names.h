// SPDX-License-Identifier: Apache-2.0
// Names of sites: "residual_out.3", "adapter_up.5.v_proj", "pooled".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "whisper/sites.h"

namespace loralens {

// KIND outside the layers, else KIND.LAYER, and KIND.LAYER.MODULE for a site inside an adapter.
std::string text_of(const Site& site);

// The kind of a name ("residual_out"); nullopt for another text.
std::optional<SiteKind> site_kind(std::string_view name);

// The site of a name in an encoder of N layers. Error for another name, and for a layer that is none of 0..N-1.
Site parse_site(std::string_view name, int64_t layers);

// All sites of an encoder of N layers in the order of the forward pass. Those inside an adapter are listed for each
// linear layer; a pass visits them only where an adapter with two factors is.
std::vector<Site> all_sites(int64_t layers);

}  // namespace loralens
