// SPDX-License-Identifier: Apache-2.0
#include "report/tables.h"

#include <cmath>
#include <cstdlib>
#include <set>

#include "base/error.h"
#include "report/explorer.h"
#include "report/figures.h"
#include "report/npz.h"

namespace loralens {
namespace {

using nlohmann::json;

std::string cell(const std::optional<int64_t>& number) { return number ? std::to_string(*number) : ""; }

// Text that is not UTF-8 (file names may hold any bytes) is written with replacement characters.
void write_json(const Path& path, const json& value, int indent) {
  write_file(path, value.dump(indent, ' ', false, json::error_handler_t::replace) + "\n");
}

// Writes the analysis's files; returns its entry in the summary.
json write_analysis(const NamedFindings& analysis, const Table& table, const Path& folder) {
  const Findings& f = analysis.findings;
  json notes = f.notes, figures = json::array();
  write_file(folder / "tables" / (analysis.name + ".csv"), format_csv(table));
  if (!f.arrays.empty()) write_npz(folder / "arrays" / (analysis.name + ".npz"), f.arrays);
  for (const Figure& figure : f.figures) {
    const json spec = vega_lite(figure, f.rows);
    if (spec.at("data").at("values").empty()) {
      notes.push_back(fmt::format("There is nothing to draw for \"{}\".", figure.title));
      continue;
    }
    write_json(folder / "figures" / (figure.name + ".vl.json"), spec, -1);
    figures.push_back({{"name", figure.name}, {"title", figure.title}});
  }
  return {{"name", analysis.name}, {"measures", f.measures}, {"source", f.source},
          {"caveat", f.caveat},    {"reading", f.reading},   {"notes", notes},
          {"figures", figures},    {"rows", f.rows.size()},  {"arrays", !f.arrays.empty()}};
}

}  // namespace

const std::vector<std::string>& table_columns() {
  static const std::vector<std::string> columns = {
      "analysis", "protocol",  "model",      "variant",  "fold",      "seed",      "step", "layer",
      "module",   "component", "metric",     "class",    "value",     "low",       "high", "n",
      "estimand", "p",         "p_adjusted", "null_low", "null_high", "null_draws"};
  return columns;
}

std::string cell_of(const Row& row, const std::string& column) {
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
    for (const char* column : {"model", "variant", "fold"}) cells.push_back(cell_of(row, column));
    cells.push_back(row.seed ? std::to_string(*row.seed) : "");
    for (const char* column : {"step", "layer", "module", "component", "metric", "class"})
      cells.push_back(cell_of(row, column));
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

json rounded(double value, int digits) {
  if (!std::isfinite(value)) return nullptr;
  return std::strtod(fmt::format("{:.{}g}", value, digits).c_str(), nullptr);
}

void write_findings(const Path& folder, const std::string& protocol, uint64_t seed,
                    const std::vector<NamedFindings>& analyses, const Clips& clips,
                    const std::vector<std::string>& classes, json about) {
  for (const char* part : {"tables", "arrays", "figures"}) std::filesystem::create_directories(folder / part);
  about["protocol"] = protocol;
  about["seed"] = seed;
  json summary = {{"about", std::move(about)}, {"analyses", json::array()}};
  std::vector<const ClipFinding*> told;
  std::set<std::string> names;
  for (const auto& analysis : analyses) {
    for (const Figure& figure : analysis.findings.figures)
      if (!names.insert(figure.name).second) fail("two figures are named '{}'", figure.name);
    for (const auto& clip : analysis.findings.clips) told.push_back(&clip);
    summary["analyses"].push_back(
        write_analysis(analysis, table_of(analysis.name, protocol, analysis.findings.rows), folder));
  }
  summary["explorer"] = explorer_of(told, clips, classes);
  write_json(folder / "summary.json", summary, 1);
}

}  // namespace loralens
