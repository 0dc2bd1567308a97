// SPDX-License-Identifier: Apache-2.0
// Random (seeded) damage that keeps a file's structure mostly valid, so that it reaches the code behind the parser.
#pragma once

#include <string>

#include "base/random.h"

namespace loralens::fuzz {

// JSON: values are replaced, removed, exchanged, repeated under the same or another name, or nested deeply. Text that
// is not JSON stays unchanged.
void mutate_json(std::string& text, Random& random);

// safetensors: non-finite values, other shapes, types, offsets, names and metadata; the file may stay consistent or
// not.
void mutate_safetensors(std::string& bytes, Random& random);

// A table with a header: cells, rows and columns are replaced, exchanged, repeated or removed. Numbers become unusual
// numbers and texts become unusual texts, so that a non-finite value in an output comes from a number.
void mutate_table(std::string& text, Random& random, char separator);

// Lines such as `key = value`, pairs such as `ang=anger`, or plain names: values are replaced, lines are exchanged,
// repeated or removed.
void mutate_lines(std::string& text, Random& random);

}  // namespace loralens::fuzz
