// SPDX-License-Identifier: Apache-2.0
// Finds the program ffmpeg.
#pragma once

#include <optional>

#include "base/files.h"

namespace loralens {

// The path of the program ffmpeg in the folders of the environment variable PATH; nullopt if it is not installed.
std::optional<Path> find_ffmpeg();

}  // namespace loralens
