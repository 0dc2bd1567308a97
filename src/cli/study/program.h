// SPDX-License-Identifier: Apache-2.0
// The command line that starts a study again, for lists of commands and for Slurm's scripts.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "base/shell.h"

namespace loralens {

// "PROGRAM study FILE -o OUT" in words of a shell; PROGRAM is the file of the running program.
inline std::string study_command(const std::string& file, const std::string& out) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  return fmt::format("{} study {} -o {}", shell_word(program), shell_word(file), shell_word(out));
}

}  // namespace loralens
