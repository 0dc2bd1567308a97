// SPDX-License-Identifier: Apache-2.0
// Suggestions for misspelt names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace loralens {

// The name that needs the fewest insertions, deletions and replacements of a byte (Levenshtein distance) to become
// `word`; the first of several. "" if that are more than 2 and more than a third of the word's bytes.
std::string nearest(std::string_view word, const std::vector<std::string>& names);

}  // namespace loralens
