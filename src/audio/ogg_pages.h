// SPDX-License-Identifier: Apache-2.0
// Integrity check of the pages of an Ogg file (RFC 3533).
#pragma once

#include <vector>

#include "audio/container.h"

namespace loralens {

// Reads all pages and checks them, since decoders skip damaged and missing pages silently.
// Error for a page that is missing or has a wrong checksum, no last page, or several streams in one file.
void check_ogg(const Bytes& file);

// Opus is coded for 48 kHz; its header names the rate of the recording before, 0 if that is not known (RFC 7845).
// libsndfile decodes at the lowest rate of Opus that keeps the named one's bandwidth: for 0 at 8 kHz, half of the
// speech's. The patches name 48 kHz in place of 0 and other rates below all of Opus's.
std::vector<BytePatch> opus_patches(const Bytes& file);

}  // namespace loralens
