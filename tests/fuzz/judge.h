// SPDX-License-Identifier: Apache-2.0
// Checks the contract of every command on damaged input: it ends, either with status 0 and finite numbers, or with
// status 1 or 2 and a one-line message that a user can act on.
#pragma once

#include <string>

#include "base/files.h"

namespace loralens::fuzz {

// `status`: from waitpid. `folder`: where the command ran, with stdout.txt, stderr.txt and its output in out, out.csv
// or out.json. Returns a description of the fault, the same for the same fault; empty if there is none.
std::string finding(const Path& folder, int status);

// Whether a damaged configuration asks for so much work that 20 s of work are not a hang.
bool long_work(const Path& file);

}  // namespace loralens::fuzz
