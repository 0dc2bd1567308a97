// SPDX-License-Identifier: Apache-2.0
// Tables whose lines are JSON objects (.jsonl).
#pragma once

#include "base/files.h"
#include "base/formats/csv.h"

namespace loralens {

// Reads one JSON object per line; the keys are the columns, and a missing key is an empty cell. Error, with the line,
// for a line that is no object, a value that is a list or an object, more than 1,000 different keys, or more than 20
// million cells.
Table read_json_lines(const Path& path);

}  // namespace loralens
