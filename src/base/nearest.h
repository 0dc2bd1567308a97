// SPDX-License-Identifier: Apache-2.0
// Suggestions for misspelt names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace loralens {

// The name that needs the fewest insertions, deletions and replacements of a byte (Levenshtein distance) to become
// `word`; the first of several. "" if each name needs more than max(2, a third of the word's bytes), or as many as the
// name has bytes.
std::string nearest(std::string_view word, const std::vector<std::string>& names);

}  // namespace loralens
