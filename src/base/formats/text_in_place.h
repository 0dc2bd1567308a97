// SPDX-License-Identifier: Apache-2.0
// Detects texts that lie where a file of data should be: pointers of Git LFS, and answers of servers to downloads that
// failed.
#pragma once

#include <string>
#include <string_view>

namespace loralens {

// What the text is and what to do, for the end of an error line ("a pointer of Git LFS: run 'git lfs pull' in its
// folder"), from the first bytes of a file (512 are enough); "" if they begin no such text.
std::string text_in_place_of_data(std::string_view start);

}  // namespace loralens
