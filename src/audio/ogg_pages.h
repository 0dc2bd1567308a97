// SPDX-License-Identifier: Apache-2.0
// Integrity check of the pages of an Ogg file (RFC 3533).
#pragma once

#include "audio/bytes.h"

namespace loralens {

// Reads all pages and checks them, since decoders skip damaged and missing pages silently.
// Error for a page that is missing or has a wrong checksum, no last page, or several streams in one file.
void check_ogg(const Bytes& file);

}  // namespace loralens
