// SPDX-License-Identifier: Apache-2.0
#include "report/sections/across.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "base/files.h"
#include "report/html.h"
#include "report/rounded.h"
#include "report/sections/scores.h"

namespace loralens {
namespace {

using nlohmann::json;
using Names = std::set<std::string>;

constexpr double none = std::numeric_limits<double>::quiet_NaN();

// For each test corpus: the training corpora of the models that were tested on it.
std::map<std::string, Names> trained_by_tested(const json& metrics) {
  std::map<std::string, Names> result;
  const json& folds = metrics.at("folds");
  if (!folds.empty() && folds.front().contains("tested_on")) {
    for (const json& fold : folds)
      for (const std::string tested : fold.at("tested_on"))
        for (const std::string trained : fold.at("trained_on")) result[tested].insert(trained);
    return result;
  }
  const json own = metrics.value("corpus", json::array());
  for (const std::string tested : metrics.value("tested_on", own))
    result[tested] = metrics.value("trained_on", own).get<Names>();
  return result;
}

void score(CrossCell& cell, const json& metrics, bool only) {
  const json* score = &metrics.at("uar");
  cell.clips = metrics.at("clips");
  if (!only)
    for (const json& group : metrics.at("groups").at("corpus"))
      if (group.at("value") == cell.tested) {
        score = &group.at("uar");
        cell.clips = group.at("clips");
      }
  cell.value = shown_score(*score);
  cell.low = score->at("low").is_null() ? none : score->at("low").get<double>();
  cell.high = score->at("high").is_null() ? none : score->at("high").get<double>();
}

// The number of an evaluation's clips on which the run was trained; 0 for a run's own scores and if it is unknown.
int64_t trained_clips(const json& metrics) {
  const auto count = metrics.find("trained_clips");
  return count == metrics.end() || count->is_null() ? 0 : count->get<int64_t>();
}

// Whether an evaluation tested clips of a corpus that is also among the training corpora of the run.
bool tests_training_corpus(const json& metrics) {
  return metrics.contains("run") && std::ranges::any_of(trained_by_tested(metrics), [](const auto& tested) {
           return tested.second.contains(tested.first);
         });
}

bool has_groups(const json& metrics) { return metrics.contains("groups") && metrics.at("groups").contains("corpus"); }

// Row name of each cell: its training corpora, followed by its run if several runs have the same method and corpora.
std::vector<std::string> row_names(const std::vector<CrossCell>& cells) {
  std::map<std::tuple<std::string, std::vector<std::string>, std::string>, std::string> first;
  Names ambiguous;
  for (const CrossCell& c : cells)
    if (first.try_emplace({c.method, c.trained, c.tested}, c.run).first->second != c.run) ambiguous.insert(c.run);
  std::map<std::string, Names> by_folder;
  for (const std::string& run : ambiguous) by_folder[Path(run).filename().string()].insert(run);
  std::vector<std::string> rows;
  for (const CrossCell& c : cells) {
    const std::string folder = Path(c.run).filename().string();
    const std::string& name = by_folder[folder].size() < 2 ? folder : c.run;
    if (c.trained.empty())
      rows.push_back(name);
    else
      rows.push_back(
          fmt::format("{}{}", fmt::join(c.trained, " + "), ambiguous.contains(c.run) ? " (" + name + ")" : ""));
  }
  return rows;
}

std::string interval_text(const CrossCell& c) {
  return std::isfinite(c.low) ? fmt::format("{:.3f} to {:.3f}", c.low, c.high) : "";
}

const char* scored_by(const CrossCell& c) {
  return c.own() ? "out of fold" : c.left_out ? "the fold that leaves it out" : "models not trained on it";
}

json values_of(const std::vector<CrossCell>& cells) {
  const auto rows = row_names(cells);
  json values = json::array();
  for (size_t i = 0; i < cells.size(); ++i)
    values.push_back({{"method", cells[i].method},
                      {"trained", rows[i]},
                      {"tested", cells[i].tested},
                      {"value", rounded(cells[i].value)},
                      {"interval", interval_text(cells[i])},
                      {"scored", scored_by(cells[i])},
                      {"n", cells[i].clips}});
  return values;
}

json heat_map(const json& values) {
  const auto axis = [](const char* field, const char* title) {
    return json{
        {"field", field}, {"type", "nominal"}, {"axis", {{"title", title}, {"labelAngle", 0}, {"labelLimit", 220}}}};
  };
  const json ink = {{"condition", {{"test", "datum.value < 0.6"}, {"value", "#ffffff"}}}, {"value", "#111111"}};
  const auto text = [&](const json& what, int size, int dy) {
    return json{{"mark", {{"type", "text"}, {"fontSize", size}, {"dy", dy}, {"tooltip", nullptr}}},
                {"encoding", {{"text", what}, {"color", ink}}}};
  };
  json tooltip = json::array({{{"field", "value"}, {"type", "quantitative"}, {"format", ".4~g"}, {"title", "UAR"}}});
  for (const auto& [field, title] : {std::pair{"interval", "95 % interval"},
                                     {"trained", "trained on"},
                                     {"tested", "tested on"},
                                     {"method", "method"},
                                     {"scored", "scored by"},
                                     {"n", "clips"}})
    tooltip.push_back({{"field", field}, {"type", "nominal"}, {"title", title}});
  const json colour = {{"field", "value"},
                       {"type", "quantitative"},
                       {"scale", {{"scheme", "viridis"}, {"domain", {0, 1}}}},
                       {"legend", nullptr}};  // the cells hold their numbers
  return {{"encoding", {{"x", axis("tested", "tested on")}, {"y", axis("trained", "trained on")}}},
          {"layer",
           {{{"mark", {{"type", "rect"}}}, {"encoding", {{"color", colour}, {"tooltip", tooltip}}}},
            text({{"field", "value"}, {"type", "quantitative"}, {"format", ".3f"}}, 14, -6),
            text({{"field", "interval"}, {"type", "nominal"}}, 9, 10)}}};
}

}  // namespace

bool CrossCell::own() const { return std::ranges::count(trained, tested) > 0; }

std::vector<CrossCell> cross_cells(const std::vector<ScoredRun>& runs) {
  std::vector<CrossCell> cells;
  Names bases;
  for (const auto& [run, metrics] : runs) bases.insert(metrics.value("base", ""));
  for (const auto& [run, metrics] : runs) {
    const auto trained = trained_by_tested(metrics);
    if (trained_clips(metrics) > 0 || (trained.size() > 1 && !has_groups(metrics))) continue;
    for (const auto& [tested, corpora] : trained) {
      if (tested.empty() || (metrics.contains("run") && corpora.contains(tested))) continue;
      CrossCell cell;
      cell.method = (bases.size() > 1 ? metrics.value("base", "") + ", " : "") + metrics.value("method", "");
      cell.trained.assign(corpora.begin(), corpora.end());
      cell.tested = tested;
      cell.run = run;
      cell.left_out = metrics.contains("trained_on") && metrics.at("trained_on").get<Names>() != corpora;
      score(cell, metrics, trained.size() == 1);
      const bool known = std::ranges::any_of(cells, [&](const CrossCell& c) {
        return c.run == cell.run && c.tested == cell.tested && c.trained == cell.trained && c.method == cell.method;
      });
      if (!known) cells.push_back(std::move(cell));
    }
  }
  std::ranges::stable_sort(
      cells, {}, [](const CrossCell& c) { return std::tuple(c.trained.size(), c.trained, c.tested, c.left_out); });
  return cells;
}

json cross_figure(const std::vector<CrossCell>& cells) {
  const auto across = [](const CrossCell& c) { return c.trained != std::vector<std::string>{c.tested}; };
  if (std::ranges::none_of(cells, across)) return nullptr;
  Names rows, methods;
  for (const std::string& row : row_names(cells)) rows.insert(row);
  for (const CrossCell& c : cells) methods.insert(c.method);
  json panel = heat_map(values_of(cells));
  std::vector<std::string> order;  // rows as the cells come: single corpora first
  for (const std::string& row : row_names(cells))
    if (std::ranges::count(order, row) == 0) order.push_back(row);
  panel["encoding"]["y"]["sort"] = order;
  panel["height"] = 56 * rows.size();
  json spec = {{"$schema", "https://vega.github.io/schema/vega-lite/v6.json"},
               {"title", "UAR by training and test corpus"},
               {"description", "UAR by training and test corpus"},
               {"data", {{"values", values_of(cells)}}}};
  if (methods.size() < 2) {
    spec.update(panel);
    return spec;
  }
  panel["width"] = 260;
  spec["facet"] = {{"field", "method"}, {"type", "nominal"}, {"header", {{"title", nullptr}}}};
  spec["columns"] = std::min<size_t>(methods.size(), 3);
  spec["spec"] = std::move(panel);
  return spec;
}

std::string across_html(const std::vector<ScoredRun>& runs) {
  const auto cells = cross_cells(runs);
  const json figure = cross_figure(cells);
  if (figure.is_null()) return "";
  const auto names = row_names(cells);
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < cells.size(); ++i)
    rows.push_back({escaped(names[i]), escaped(cells[i].tested), escaped(cells[i].method),
                    fmt::format("{:.3f}", cells[i].value), interval_text(cells[i]), std::to_string(cells[i].clips),
                    scored_by(cells[i])});
  std::string html =
      "<p>UAR over the run's classes that the test corpus has. On its own corpus a run is scored by "
      "cross-validation: each clip by the fold that was not trained on it. On another corpus, the predictions of all "
      "folds' models are scored together. Intervals: 95 % jackknife over the speakers of the test corpus, given the "
      "trained models; for files of older versions the mean over folds and a bootstrap.</p>\n<div "
      "class=\"figures\">\n" +
      figure_html("across-corpora", figure) + "</div>\n";
  if (std::ranges::any_of(runs, [](const ScoredRun& r) { return trained_clips(r.metrics) > 0; }))
    html += sentences({"Evaluations on the run's own training clips are left out: they are no test."}, "notes");
  if (std::ranges::any_of(runs, [](const ScoredRun& r) {
        return r.metrics.contains("trained_clips") && r.metrics.at("trained_clips").is_null();
      }))
    html += sentences(
        {"For some evaluations it is unknown whether the run was trained on their clips (trained_clips is null)."},
        "notes");
  if (std::ranges::any_of(runs, [](const ScoredRun& r) { return tests_training_corpus(r.metrics); }))
    html += sentences({"Evaluations on other clips of a training corpus of the run are left out: the matrix holds the "
                       "out-of-fold scores of a run on its own corpora."},
                      "notes");
  return html + "<details class=\"table\"><summary>Table</summary>\n" +
         html_table("",
                    {"Trained on", "Tested on", "Method", "UAR", "95 % interval over speakers", "Clips", "Scored by"},
                    rows) +
         "</details>\n";
}

}  // namespace loralens
