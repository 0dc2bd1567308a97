// SPDX-License-Identifier: Apache-2.0
// Texts as words of a shell's command line, for commands that messages recommend.
#pragma once

#include <string>

namespace loralens {

// `text` as one word of a POSIX shell: unchanged if it needs no quotes, else in single quotes ('my run').
std::string shell_word(const std::string& text);

}  // namespace loralens
