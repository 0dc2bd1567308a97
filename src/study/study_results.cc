// SPDX-License-Identifier: Apache-2.0
#include "study/study_results.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/formats/csv.h"
#include "results/compare.h"
#include "results/results.h"

namespace loralens {
namespace {

using nlohmann::json;

constexpr const char* scores[] = {"uar", "war", "macro_f1"};

const json* uar_of(const json& run) { return run.at("comparison").is_null() ? nullptr : &run.at("comparison"); }

std::string number(const json& value) { return value.is_null() ? "" : fmt::format("{}", value.get<double>()); }

// One run without its comparison.
json described(const StudyRun& run, const Path& folder) {
  const json metrics = read_metrics(folder / "metrics.json");
  json result = {{"name", run.name},
                 {"folder", folder.filename().string()},
                 {"levels", json::object()},
                 {"method", metrics.value("method", "")},
                 {"trained_parameters", metrics.value("trained_parameters", json())},
                 {"classes", metrics.at("classes")},
                 {"comparison", nullptr}};
  for (const auto& [axis, level] : run.levels) result["levels"][axis] = level;
  for (const char* score : scores) result[score] = metrics.at(score);
  return result;
}

}  // namespace

std::string verdict_of(const json& comparison, double margin) {
  const bool within = is_equivalent(comparison, margin);
  const json& p = comparison.at("p_adjusted");
  if (p.is_null() || p.get<double>() >= 0.05) return within ? "equivalent" : "cannot be told";
  const char* side = comparison.at("difference").get<double>() > 0 ? "above" : "below";
  return within ? fmt::format("{}, by less than the margin", side) : side;
}

json study_results(const Study& study, const std::vector<Path>& folders) {
  json runs = json::array();
  std::vector<json> comparisons;
  std::vector<size_t> compared;
  for (size_t i = 0; i < study.runs.size(); ++i) {
    runs.push_back(described(study.runs[i], folders[i]));
    const StudyRun* baseline = baseline_of(study, study.runs[i]);
    if (!baseline) continue;
    const Path& against = folders[baseline - study.runs.data()];
    auto found = difference_of_runs(folders[i], against, runs.back().at("classes"));
    if (found.is_null()) {
      runs.back()["not_compared"] =
          fmt::format("{} has other classes, test clips or another number of trainings", baseline->name);
      continue;
    }
    found["against"] = baseline->name;
    comparisons.push_back(std::move(found));
    compared.push_back(i);
  }
  adjust(comparisons);
  for (size_t k = 0; k < compared.size(); ++k) {
    json& uar = comparisons[k]["uar"];
    uar["against"] = comparisons[k].at("against");
    uar["verdict"] = verdict_of(uar, study.margin);
    runs[compared[k]]["comparison"] = uar;
  }
  for (json& run : runs) run.erase("classes");
  return {{"title", study.title},
          {"axes", study.axes},
          {"baseline", study.baseline ? json({{study.baseline->first, study.baseline->second}}) : json()},
          {"margin", study.margin},
          {"runs", std::move(runs)}};
}

std::string format_study(const json& results) {
  std::vector<std::string> header = {"run"};
  for (const std::string axis : results.at("axes")) header.push_back(axis);
  for (const char* column : {"method", "trained_encoder", "trained_head", "uar", "uar_low", "uar_high", "uar_fold_mean",
                             "uar_fold_std", "war", "macro_f1", "against", "difference", "low", "high", "p",
                             "p_adjusted", "equivalence_low", "equivalence_high", "verdict"})
    header.emplace_back(column);
  std::string text = format_csv_row(header);
  for (const json& run : results.at("runs")) {
    std::vector<std::string> row = {run.at("name")};
    for (const std::string axis : results.at("axes")) row.push_back(run.at("levels").at(axis));
    row.push_back(run.at("method"));
    const json& trained = run.at("trained_parameters");
    for (const char* part : {"encoder", "head"})
      row.push_back(trained.is_null() ? "" : std::to_string(trained.at(part).get<int64_t>()));
    for (const char* key : {"pooled", "low", "high", "mean", "std"}) row.push_back(number(run.at("uar").at(key)));
    for (const char* score : {"war", "macro_f1"}) row.push_back(number(run.at(score).at("pooled")));
    const json* uar = uar_of(run);
    row.push_back(uar ? uar->at("against").get<std::string>() : "");
    for (const char* key : {"difference", "low", "high", "p", "p_adjusted"})
      row.push_back(uar ? number(uar->at(key)) : "");
    for (const char* key : {"low", "high"})
      row.push_back(uar && !uar->at("equivalence").is_null() ? number(uar->at("equivalence").at(key)) : "");
    row.push_back(uar ? uar->at("verdict").get<std::string>() : "");
    text += format_csv_row(row);
  }
  return text;
}

}  // namespace loralens
