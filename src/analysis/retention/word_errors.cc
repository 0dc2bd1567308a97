// SPDX-License-Identifier: Apache-2.0
#include "analysis/retention/word_errors.h"

#include <utf8proc.h>

#include <algorithm>

#include "base/text.h"

namespace loralens {
namespace {

constexpr utf8proc_int32_t curly_apostrophe = 0x2019;

// Letters, marks and numbers.
bool belongs_to_word(utf8proc_int32_t character) {
  const auto category = utf8proc_category(character);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
  const std::string plain = folded(text);
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    while (word.ends_with('\'')) word.pop_back();
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (std::string_view rest = plain; !rest.empty();) {
    utf8proc_int32_t character = 0;
    const auto bytes = reinterpret_cast<const utf8proc_uint8_t*>(rest.data());
    const auto read = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(rest.size()), &character);
    const auto length = static_cast<size_t>(std::max<utf8proc_ssize_t>(read, 1));
    if (read > 0 && belongs_to_word(character))
      word += rest.substr(0, length);
    else if ((character == '\'' || character == curly_apostrophe) && !word.empty())
      word += '\'';
    else
      end_word();
    rest.remove_prefix(length);
  }
  end_word();
  return words;
}

}  // namespace loralens
