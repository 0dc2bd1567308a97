// SPDX-License-Identifier: Apache-2.0
// Reads the headers of uncompressed containers (WAV, RF64, W64, AIFF, AU, CAF, SPHERE), to find truncated files.
#pragma once

#include <optional>

#include "audio/container.h"

namespace loralens {

// nullopt for a file of another kind. Only the lengths of chunks are checked here; other faults are left to the
// decoder. Error for a header that contradicts itself.
std::optional<Container> read_chunks(const Bytes& file);

}  // namespace loralens
