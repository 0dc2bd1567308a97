// SPDX-License-Identifier: Apache-2.0
// Tables whose lines are JSON objects (.jsonl), or that are a JSON list of objects.
#pragma once

#include "base/files.h"
#include "base/formats/user_table.h"

namespace loralens {

// Reads one JSON object per line, or one list of objects in any lines; the keys are the columns, and a missing key is
// an empty cell, as are null and Python's NaN. A column with lists or objects is left out and noted. Error, with the
// line or the number of the object, for a line that is no object, more than 1,000 different keys, or more than 20
// million cells.
UserTable read_json_lines(const Path& path);

}  // namespace loralens
