// SPDX-License-Identifier: Apache-2.0
// The file of the running program, for command lines that start it again.
#pragma once

#include <filesystem>

#include "base/files.h"

namespace loralens {

inline Path program_file() { return std::filesystem::read_symlink("/proc/self/exe"); }

}  // namespace loralens
