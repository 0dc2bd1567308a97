// SPDX-License-Identifier: Apache-2.0
// The cells of users' tables as a table of clips has them: nothing for a word that stands for "unknown", and seconds
// for times in other forms.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/formats/csv.h"

namespace loralens {

// Whether programs write this word for a missing value: nan, None, NULL, N/A, <NA>, ...
bool is_missing_word(std::string_view cell);

// The shortest decimal digits of a number, never with an exponent: 1.5, 3, 0.00001.
std::string decimal(double value);

// The file of a table's path: relative to `folder`. If it is not there, but is under the same name in the other Unicode
// form (composed, decomposed), that one.
Path file_of_cell(const Path& folder, const std::string& cell);

// What to do about a missing file's path that has backslashes; "" for others.
std::string advice_on_path(const Path& path);

// Makes paths of addresses "file:///a%20b.wav". Empties cells with words for a missing value in the columns of a table
// of clips, and those of speakers, sessions, genders and languages with words for "unknown" too. Writes start and end
// in seconds where they are written as "0:01:02.5", "0 days 00:01:02.5" or, if `decimal_commas`, "62,5". Returns notes,
// a line each. Error, with the rows, for a label that stands for a missing value. `name`: the table's name in errors.
std::vector<std::string> take_cells(Table& table, bool decimal_commas, const std::string& name);

}  // namespace loralens
