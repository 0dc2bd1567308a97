// SPDX-License-Identifier: Apache-2.0
// Fuzz target: users' tables of any separator and encoding. A table that is read, written and read again must be the
// same.
#include <cstdlib>

#include "base/error.h"
#include "base/formats/user_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace loralens;
  try {
    const Table table = parse_user_table({reinterpret_cast<const char*>(bytes), size}, "table").table;
    for (const auto& row : table.rows)
      if (row.size() != table.header.size()) std::abort();
    if (table.rows.size() != table.numbers.size()) std::abort();
    if (table.rows.empty() || table.header.size() < 2) return 0;
    const Table again = parse_csv(format_csv(table), "again");
    if (again.header != table.header || again.rows != table.rows) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
