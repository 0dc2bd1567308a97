// SPDX-License-Identifier: Apache-2.0
#include "report/folder.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/formats/json.h"
#include "results/results.h"

namespace loralens {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<const char*, const char*>, 14> known_facts = {{{"run", "Run"},
                                                                              {"base", "Model"},
                                                                              {"method", "Method"},
                                                                              {"trained_on", "Trained on"},
                                                                              {"corpus", "Corpus"},
                                                                              {"folds", "Folds"},
                                                                              {"protocol", "Protocol"},
                                                                              {"clips", "Clips"},
                                                                              {"speakers", "Speakers"},
                                                                              {"against", "Compared with"},
                                                                              {"untrained", "Untrained baseline"},
                                                                              {"precision", "Precision"},
                                                                              {"device", "Device"},
                                                                              {"seed", "Seed"}}};

std::string fact_text(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (value.is_array())
    for (const json& part : value) add(fact_text(part));
  else if (value.is_object())
    for (const auto& [key, part] : value.items()) add(key + " " + fact_text(part));
  else if (!value.is_null())
    add(value.dump());
  return text;
}

// The summary of a run or an evaluation.
json summary_of_scores(const Path& dir) {
  const bool whole = std::filesystem::exists(dir / "predictions.csv") || std::filesystem::exists(dir / "folds.csv");
  const json metrics = whole ? read_scores(dir).metrics : read_metrics(dir / "metrics.json");
  json about = {{"run", metrics.value("run", std::filesystem::weakly_canonical(dir).string())},
                {"folds", metrics.at("folds").size()},
                {"metrics", metrics}};
  for (const char* key : {"base", "method", "corpus", "protocol", "clips", "speakers"})
    if (metrics.contains(key)) about[key] = metrics.at(key);
  if (metrics.contains("run") && metrics.contains("trained_on")) about["trained_on"] = metrics.at("trained_on");
  if (metrics.contains("trained_clips") && metrics.at("trained_clips") != 0)
    about["trained_clips"] = metrics.at("trained_clips");
  if (metrics.contains("trained_speakers")) about["trained_speakers"] = metrics.at("trained_speakers");
  return {{"about", std::move(about)}, {"analyses", json::array()}, {"explorer", {{"clips", json::array()}}}};
}

}  // namespace

json read_summary(const Path& dir) {
  const Path path = dir / "summary.json";
  if (std::filesystem::exists(path)) return read_json_object(path);
  if (std::filesystem::exists(dir / "metrics.json")) return summary_of_scores(dir);
  fail(
      "{} holds no summary.json and no metrics.json: give a folder that `loralens analyze`, `train` or `evaluate -o` "
      "wrote",
      dir.string());
}

Path scores_folder(const Path& dir, const json& about) {
  const Path run = about.value("run", std::string());
  for (const Path& folder : {dir, run, run.parent_path()})
    if (!folder.empty() && std::filesystem::exists(folder / "metrics.json") &&
        std::filesystem::exists(folder / "predictions.csv"))
      return folder;
  return {};
}

json read_figure(const Path& dir, const std::string& name) {
  return read_json_object(dir / "figures" / (name + ".vl.json"));
}

std::vector<std::pair<std::string, std::string>> facts_of(const json& about, const Path& folder) {
  std::vector<std::pair<std::string, std::string>> facts;
  const auto add = [&](const std::string& label, const json& value) {
    const std::string text = fact_text(value);
    const bool is_folder = !folder.empty() && Path(text).is_absolute() && text.find(", ") == std::string::npos;
    if (!text.empty())
      facts.push_back(
          {label, is_folder ? Path(text).lexically_relative(std::filesystem::absolute(folder)).string() : text});
  };
  const auto add_count = [&](const char* key, const std::string& label) {
    if (about.contains(key)) facts.push_back({label, about.at(key).is_null() ? "unknown" : about.at(key).dump()});
  };
  for (const auto& [key, label] : known_facts)
    if (about.contains(key)) add(label, about.at(key));
  add_count("trained_clips", "Clips that trained the run");
  add_count("trained_speakers", "Speakers who trained the run");
  add_count("against_trained_clips", "Clips that trained the compared run");
  const std::set<std::string> others = {
      "metrics", "comparison", "versions", "trained_clips", "trained_speakers", "against_trained_clips", "part_of_run"};
  for (const auto& [key, value] : about.items()) {
    const bool known = std::ranges::any_of(known_facts, [&](const auto& fact) { return key == fact.first; });
    if (!known && !others.contains(key)) add(key, value);
  }
  if (about.contains("versions")) add("Versions", about.at("versions"));
  return facts;
}

std::string run_title(const json& about) {
  std::string title;
  for (const char* key : {"base", "method", "corpus"})
    if (about.contains(key)) title += (title.empty() ? "" : ", ") + fact_text(about.at(key));
  return title.empty() ? "Analysis" : title;
}

}  // namespace loralens
