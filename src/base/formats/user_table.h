// SPDX-License-Identifier: Apache-2.0
// Reads a user's table in the forms that spreadsheets and other programs write: any usual separator, UTF-16, columns
// and rows without anything in them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/formats/csv.h"

namespace loralens {

struct UserTable {
  Table table;
  // A line each: rows and columns that were left out or filled, a separator that is no comma or tab, quotes.
  std::vector<std::string> notes;
  char separator = ',';
  std::vector<std::string> nested = {};  // columns of JSON that were left out, since they hold lists or objects
};

// Whether rows may end before the column of this name, whose cell is then empty. Empty: before none.
using MayLack = std::function<bool(const std::string&)>;

// Reads a table whose columns are separated by commas, semicolons, tabs or vertical bars: the sign that occurs most
// often in the header outside quotes, or that a first line "sep=;" names. The text is UTF-8 or UTF-16, with or without
// a byte-order mark; lines end with LF, CRLF or CR; quotes are those of user_csv_rows. Rows without anything in them,
// also above the header, and rows that repeat it are passed over, and so are columns without a name that are empty or
// number the rows: from 0 or 1 on or, in the first column, by different whole numbers. Error, besides those of
// read_csv, for a column without a name that holds anything else.
UserTable read_user_table(const Path& path, const MayLack& may_lack = {});
UserTable parse_user_table(std::string_view bytes, const std::string& name, const MayLack& may_lack = {});

}  // namespace loralens
