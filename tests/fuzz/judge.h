// SPDX-License-Identifier: Apache-2.0
// Whether a command did what every command promises, however damaged its input: it ends, with 0 and finite numbers, or
// with 1 or 2 and one line that a user can act on.
#pragma once

#include <string>

#include "base/files.h"

namespace loralens::fuzz {

// `status`: what waitpid gave. `folder`: where the command ran, with stdout.txt, stderr.txt and what it wrote in out,
// out.csv or out.json. Returns what is wrong, in words that are the same for the same fault; empty if nothing is.
std::string finding(const Path& folder, int status);

// Whether a damaged configuration asks for so much work that 20 s of it are no hang.
bool long_work(const Path& file);

}  // namespace loralens::fuzz
