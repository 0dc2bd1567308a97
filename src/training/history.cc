// SPDX-License-Identifier: Apache-2.0
#include "training/history.h"

#include <cmath>

#include "base/error.h"
#include "base/formats/csv.h"

namespace loralens {
namespace {

std::string text(int64_t value) { return std::to_string(value); }
std::string text(double value) { return std::isfinite(value) ? fmt::format("{:.6g}", value) : std::string(); }
std::string text(bool value) { return value ? "1" : "0"; }

}  // namespace

std::vector<std::string> columns_of(const EpochRecord& record) {
  std::vector<std::string> columns;
  visit_cells(record, [&](const std::string& column, auto) { columns.push_back(column); });
  return columns;
}

std::string format_history(std::span<const EpochRecord> history) {
  Table table{.header = columns_of(history.empty() ? EpochRecord() : history.front())};
  for (const EpochRecord& record : history) {
    if (const auto columns = columns_of(record); columns != table.header)
      fail("epoch {} has other columns ({}) than the first epoch ({})", record.epoch, fmt::join(columns, ", "),
           fmt::join(table.header, ", "));
    std::vector<std::string>& row = table.rows.emplace_back();
    visit_cells(record, [&](const std::string&, auto value) { row.push_back(text(value)); });
  }
  return format_csv(table);
}

}  // namespace loralens
