// SPDX-License-Identifier: Apache-2.0
// Reads a user's table in the forms that spreadsheets and other programs write: any usual separator, UTF-16, columns
// and rows without anything in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/formats/csv.h"

namespace loralens {

struct UserTable {
  Table table;
  std::vector<std::string>
      notes;  // a line each: rows and columns that were left out; a separator that is no comma or tab
};

// Reads a table whose columns are separated by commas, semicolons, tabs or vertical bars: the sign that occurs most
// often in the header outside quotes, or that a first line "sep=;" names. The text is UTF-8 or UTF-16, with or without
// a byte-order mark; lines end with LF, CRLF or CR. Rows without anything in them are passed over, and so are columns
// without a name that are empty or number the rows from 0 or 1. Error, besides those of read_csv, for a column without
// a name that holds anything else.
UserTable read_user_table(const Path& path);
UserTable parse_user_table(std::string_view bytes, const std::string& name);

}  // namespace loralens
