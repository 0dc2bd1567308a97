// SPDX-License-Identifier: Apache-2.0
// Converts text files of older corpora to UTF-8 and detects their encoding.
#pragma once

#include <string>

namespace loralens {

// Converts `bytes` to UTF-8 without a byte-order mark. The encoding is detected: UTF-16 if there is a UTF-16 byte-order
// mark or a zero byte; else UTF-8 if the bytes are valid UTF-8; else GB 18030 if all bytes beyond ASCII form pairs of
// GB 2312; else `otherwise` (an encoding name of iconv). `name`: the text's name in errors.
// Error if the bytes are not valid in that encoding.
std::string utf8_of(const std::string& bytes, const char* otherwise, const std::string& name);

}  // namespace loralens
