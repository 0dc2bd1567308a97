// The headers of containers that hold their samples in one piece: WAV, RF64, W64, AIFF, AU, CAF, SPHERE.
#pragma once

#include <optional>

#include "audio/container.h"

namespace loralens {

// Nothing for a file of another kind. What is wrong with the chunks otherwise than by their lengths is left to the
// decoder. Error: a header that contradicts itself.
std::optional<Container> read_chunks(const Bytes& file);

}  // namespace loralens
