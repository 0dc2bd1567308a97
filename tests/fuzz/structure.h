// SPDX-License-Identifier: Apache-2.0
// Seeded damage to files whose structure is kept or nearly kept, so that it reaches beyond the parser.
#pragma once

#include <string>

#include "base/random.h"

namespace loralens::fuzz {

// JSON: values are replaced, taken out, exchanged, repeated under the same or another name, or nested deep.
// Leaves what is no JSON as it is.
void mutate_json(std::string& text, Random& random);

// safetensors: values that are not finite, other shapes, types, offsets, names and metadata; with or without what that
// needs to be consistent again.
void mutate_safetensors(std::string& bytes, Random& random);

// A table with a header: cells, rows and columns are replaced, exchanged, repeated or taken out. Numbers become odd
// numbers, texts odd texts, so that what is not finite in an answer came from a number.
void mutate_table(std::string& text, Random& random, char separator);

// Lines such as `key = value`, pairs such as `ang=anger`, or plain names: values are replaced, lines exchanged,
// repeated or taken out.
void mutate_lines(std::string& text, Random& random);

}  // namespace loralens::fuzz
