// Texts of old corpora as UTF-8.
#pragma once

#include <string>

namespace loralens {

// `bytes` as UTF-8, without a byte-order mark. Their encoding is found out: a byte-order mark or a zero byte means
// UTF-16, else UTF-8 if they are valid as such, else GB 18030 if all bytes beyond ASCII come in the pairs of
// GB 2312, else `otherwise` (a name that iconv knows). `name`: what errors call it.
// Error if they are not valid in the encoding found.
std::string utf8_of(const std::string& bytes, const char* otherwise, const std::string& name);

}  // namespace loralens
