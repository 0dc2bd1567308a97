// SPDX-License-Identifier: Apache-2.0
// Reads a comma-separated table row by row, for tables that are too long to keep in memory.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"

namespace loralens {

// Calls row(number, cells) for each row of a table, in order; the header is number 1. The cells may be moved from.
// The columns are separated by commas or, if the header has none, by the sign of separator_in. Errors as for read_csv;
// by then row() has been called for the rows before the faulty one.
void scan_csv(const Path& path, const std::function<void(size_t, std::vector<std::string>&)>& row);
void scan_csv_text(std::string_view text, const std::string& name, char separator,
                   const std::function<void(size_t, std::vector<std::string>&)>& row);
// The sign among comma, tab, semicolon and vertical bar that occurs most often in the header outside quotes.
char separator_in(std::string_view text);

// The text of a table in UTF-8 or, with a byte-order mark, in UTF-16, without that mark. Error if there are two marks.
std::string unmarked_text(std::string_view bytes, const std::string& name);
// scan_csv_text for a text without byte-order mark, without checks of the header's names and of the rows' lengths.
void scan_csv_cells(std::string_view text, const std::string& name, char separator,
                    const std::function<void(size_t, std::vector<std::string>&)>& row);

// All rows of a user's table, the header first, as scan_csv_cells reads them. Quotes inside cells, which are an error
// there, are read as Python's csv module does or, in a table with tabs where that fits no row, as characters like any
// other; a note says so. Error, with row, column and text, for a quote that is never closed.
std::vector<std::vector<std::string>> user_csv_rows(std::string_view text, const std::string& name, char separator,
                                                    std::vector<std::string>& notes);

// Error if the header names a column twice.
void check_header_names(const std::vector<std::string>& header, const std::string& name);

}  // namespace loralens
