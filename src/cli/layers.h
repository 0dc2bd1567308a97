// SPDX-License-Identifier: Apache-2.0
// Parses flags that choose layers of the encoder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/range.h"

namespace loralens {

// "0-2,5" -> 0 1 2 5; "upper" -> the upper half of the layers; "all" -> an empty list, which means all layers. there:
// the layers that can be chosen, from 0 or, with the embedding, from -1. UsageError, which names the flag ("--layers"),
// for any other text and for a layer that is not there.
std::vector<int64_t> parse_layers(const std::string& flag, const std::string& text, const Range<int64_t>& there);

}  // namespace loralens
