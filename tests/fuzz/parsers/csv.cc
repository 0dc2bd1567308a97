// SPDX-License-Identifier: Apache-2.0
// Fuzz target: tables. A parsed table that is written and parsed again must be the same.
#include <cstdlib>

#include "base/error.h"
#include "base/formats/csv.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace loralens;
  if (size == 0) return 0;
  const char separator = bytes[0] & 1 ? ',' : '\t';
  try {
    const Table table = parse_csv({reinterpret_cast<const char*>(bytes) + 1, size - 1}, "table", separator);
    for (const auto& row : table.rows)
      if (row.size() != table.header.size()) std::abort();
    if (table.rows.empty() || table.header.size() < 2) return 0;
    const Table again = parse_csv(format_csv(table), "again");
    if (again.header != table.header || again.rows != table.rows) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
