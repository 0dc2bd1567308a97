// SPDX-License-Identifier: Apache-2.0
#include "report/write_findings.h"

#include <set>

#include "base/error.h"
#include "report/explorer.h"
#include "report/figures/figures.h"
#include "report/npz.h"
#include "report/rows.h"

namespace loralens {
namespace {

using nlohmann::json;

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
  return {{"name", analysis.name}, {"chapter", analysis.chapter}, {"measures", f.measures}, {"source", f.source},
          {"caveat", f.caveat},    {"reading", f.reading},        {"notes", notes},         {"figures", figures},
          {"rows", f.rows.size()}, {"arrays", !f.arrays.empty()}};
}

}  // namespace

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
