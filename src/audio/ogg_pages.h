// The pages of an Ogg stream (RFC 3533).
#pragma once

#include "audio/bytes.h"

namespace loralens {

// Reads all pages. Decoders pass over damaged and missing ones and are silent about it.
// Error: a page whose checksum is wrong or that is missing, no last page, several streams in one file.
void check_ogg(const Bytes& file);

}  // namespace loralens
