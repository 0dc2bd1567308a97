// SPDX-License-Identifier: Apache-2.0
#include "report/rows.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"

namespace loralens {
namespace {

std::string cell(const std::optional<int64_t>& number) { return number ? std::to_string(*number) : ""; }

}  // namespace

const std::vector<std::string>& table_columns() {
  static const std::vector<std::string> columns = {
      "analysis", "protocol",  "model",      "variant",  "fold",      "seed",      "step", "layer",
      "module",   "component", "metric",     "class",    "value",     "low",       "high", "n",
      "estimand", "p",         "p_adjusted", "null_low", "null_high", "null_draws"};
  return columns;
}

std::string key_cell(const Row& row, const std::string& column) {
  const RowKey& key = row.key;
  if (column == "model") return key.model;
  if (column == "variant") return key.variant;
  if (column == "fold") return cell(row.fold);
  if (column == "step") return cell(key.step);
  if (column == "layer") return cell(key.layer);
  if (column == "module") return key.module;
  if (column == "component") return key.component;
  if (column == "metric") return key.metric;
  if (column == "class") return key.class_name;
  fail("a figure uses the column '{}', which is no key column of rows", column);
}

Table table_of(const std::string& analysis, const std::string& protocol, const std::vector<Row>& rows) {
  Table table{table_columns(), {}};
  const auto known = [](double value) { return std::isnan(value) ? "" : fmt::format("{}", value); };
  const auto count = [](int64_t number) { return number == 0 ? "" : std::to_string(number); };
  for (const Row& row : rows) {
    std::vector<std::string> cells = {analysis, protocol};
    for (const char* column : {"model", "variant", "fold"}) cells.push_back(key_cell(row, column));
    cells.push_back(row.seed ? std::to_string(*row.seed) : "");
    for (const char* column : {"step", "layer", "module", "component", "metric", "class"})
      cells.push_back(key_cell(row, column));
    cells.push_back(fmt::format("{}", row.value));
    for (const double end : {row.low, row.high}) cells.push_back(known(end));
    cells.push_back(count(row.n));
    cells.push_back(row.estimand);
    for (const double value : {row.p, row.p_adjusted, row.null_low, row.null_high}) cells.push_back(known(value));
    cells.push_back(count(row.null_draws));
    table.rows.push_back(std::move(cells));
  }
  return table;
}

}  // namespace loralens
