// SPDX-License-Identifier: Apache-2.0
// Seeded damage to files of which nothing is known, and the odd numbers and texts that damage of any file uses.
#pragma once

#include <string>

#include "base/random.h"

namespace loralens::fuzz {

// Changes 1 to 4 stretches: bits, numbers, insertions, repetitions, cuts, parts of `donor`, a file of another kind.
// Half of the places lie near the start, where headers are.
void mutate_bytes(std::string& bytes, Random& random, const std::string& donor);

// A number as text: at or beyond the bounds of some type, not finite, or not quite a number.
std::string odd_number(Random& random);
// A text that a cell, a name or a path may not expect: empty, long, of other alphabets, not UTF-8, with separators.
std::string odd_text(Random& random);

// `count` opening and closing brackets of one kind.
std::string nested(size_t count, char open, char close);

// One of a list.
template <typename List>
const auto& pick(const List& list, Random& random) {
  return list[random.below(std::size(list))];
}

}  // namespace loralens::fuzz
