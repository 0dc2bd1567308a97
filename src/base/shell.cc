// SPDX-License-Identifier: Apache-2.0
#include "base/shell.h"

#include <algorithm>
#include <string_view>

namespace loralens {
namespace {

// Bytes of UTF-8 letters beyond ASCII are plain too: no shell gives them a meaning.
bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  constexpr std::string_view signs = "_@%+=:,./-";
  return byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
         signs.find(c) != std::string_view::npos;
}

}  // namespace

std::string shell_word(const std::string& text) {
  if (!text.empty() && std::ranges::all_of(text, is_plain)) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string(R"('\'')") : std::string(1, c);
  return word + "'";
}

}  // namespace loralens
