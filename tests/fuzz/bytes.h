// SPDX-License-Identifier: Apache-2.0
// Random (seeded) damage to files of unknown format, and the unusual numbers and texts that damage to any file uses.
#pragma once

#include <string>

#include "base/random.h"

namespace loralens::fuzz {

// Makes 1 to 4 random changes: bit flips, numbers, insertions, repetitions, cuts, parts of `donor`, another file. Half
// of the positions are near the start, where headers are.
void mutate_bytes(std::string& bytes, Random& random, const std::string& donor);

// A number as text: at or beyond the bounds of some type, not finite, or not quite a number.
std::string odd_number(Random& random);
// A text that readers of cells, names or paths may not expect: empty, long, in other alphabets, not UTF-8, with
// separators.
std::string odd_text(Random& random);

// `count` opening and closing brackets of one kind.
std::string nested(size_t count, char open, char close);

// A random element of a list.
template <typename List>
const auto& pick(const List& list, Random& random) {
  return list[random.below(std::size(list))];
}

}  // namespace loralens::fuzz
