// SPDX-License-Identifier: Apache-2.0
#include "report/study_page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "base/range.h"
#include "report/figures/charts.h"
#include "report/html.h"
#include "report/sections/scores.h"

namespace loralens {
namespace {

using nlohmann::json;

std::string interval(const json& score) {
  if (score.at("low").is_null()) return "";
  return fmt::format("[{:.3f}, {:.3f}]", score.at("low").get<double>(), score.at("high").get<double>());
}

// before, after: what surrounds interval and p.
std::string difference(const json& comparison, const char* before = " ", const char* after = "") {
  std::string text = fmt::format("{:+.3f}", comparison.at("difference").get<double>());
  if (!comparison.at("low").is_null())
    text += fmt::format("{}[{:+.3f}, {:+.3f}], adjusted p {:.2g}{}", before, comparison.at("low").get<double>(),
                        comparison.at("high").get<double>(), comparison.at("p_adjusted").get<double>(), after);
  return text;
}

std::string baseline_text(const json& results) {
  for (const auto& [axis, level] : results.at("baseline").items())
    return fmt::format("{} = {}", axis, level.get<std::string>());
  return "";
}

// The study's first sentences.
std::vector<std::string> answers(const json& results) {
  if (results.at("baseline").is_null())
    return {
        "The study names no baseline, so its runs are not compared: their intervals alone do not show differences."};
  std::map<std::string, std::vector<std::string>> by_verdict;
  size_t compared = 0;
  for (const json& run : results.at("runs"))
    if (const json& comparison = run.at("comparison"); !comparison.is_null()) {
      by_verdict[comparison.at("verdict")].push_back(run.at("name"));
      ++compared;
    }
  const double margin = results.at("margin");
  std::vector<std::string> sentences = {fmt::format(
      "{} runs are compared with the run that differs from them in {} alone. Each difference is that of the UAR of all "
      "test clips together; p values are adjusted over all {} comparisons (Holm); the margin of equivalence is {}.",
      compared, baseline_text(results), compared, margin)};
  for (const auto& [verdict, names] : by_verdict)
    sentences.push_back(fmt::format("{}: {}.", title_of(verdict), fmt::join(names, ", ")));
  for (const json& run : results.at("runs"))
    if (run.contains("not_compared"))
      sentences.push_back(fmt::format("{} is not compared: {}.", run.at("name").get<std::string>(),
                                      run.at("not_compared").get<std::string>()));
  return sentences;
}

std::string runs_table(const json& results, const Path& folder) {
  std::vector<std::string> header = {"Run"};
  for (const std::string axis : results.at("axes")) header.push_back(escaped(axis));
  for (const char* title : {"UAR", "Difference from the baseline", "Verdict", "Method", "Trained parameters"})
    header.emplace_back(title);
  std::vector<std::vector<std::string>> rows;
  for (const json& run : results.at("runs")) {
    const Path page = folder / "runs" / run.at("folder").get<std::string>() / "report.html";
    const std::string name = escaped(run.at("name").get<std::string>());
    std::vector<std::string> row = {
        std::filesystem::exists(page) ? fmt::format("<a href=\"{}\">{}</a>", link_to(page, folder), name) : name};
    for (const std::string axis : results.at("axes"))
      row.push_back(escaped(run.at("levels").at(axis).get<std::string>()));
    row.push_back(fmt::format("{:.3f}<br><small>{}</small>", shown_score(run.at("uar")), interval(run.at("uar"))));
    const json& comparison = run.at("comparison");
    row.push_back(comparison.is_null() ? "" : difference(comparison, "<br><small>", "</small>"));
    row.push_back(comparison.is_null() ? "" : escaped(comparison.at("verdict").get<std::string>()));
    row.push_back(escaped(run.at("method").get<std::string>()));
    const json& trained = run.at("trained_parameters");
    row.push_back(trained.is_null()
                      ? ""
                      : fmt::format("{}<br><small>+ head {}</small>", trained.at("encoder").get<int64_t>(),
                                    trained.at("head").get<int64_t>()));
    rows.push_back(std::move(row));
  }
  return html_table("UAR of all test clips together with its 95 % interval over speakers and trainings", header, rows);
}

bool is_number(const json& level) { return parse_number<double>(level.get<std::string>()).has_value(); }

// UAR along one axis, a curve (or group of bars) for each combination of the other levels.
json axis_figure(const json& results, const std::string& axis) {
  json values = json::array();
  bool numeric = true;
  for (const json& run : results.at("runs")) numeric = numeric && is_number(run.at("levels").at(axis));
  bool others = false;
  for (const json& run : results.at("runs")) {
    std::vector<std::string> other;
    for (const std::string name : results.at("axes"))
      if (name != axis) other.push_back(fmt::format("{} {}", name, run.at("levels").at(name).get<std::string>()));
    const std::string level = run.at("levels").at(axis);
    json value = {{"value", shown_score(run.at("uar"))}};
    value["level"] = numeric ? json(*parse_number<double>(level)) : json(level);
    others = others || !other.empty();
    value["runs"] = other.empty() ? "all" : fmt::format("{}", fmt::join(other, ", "));
    if (!run.at("uar").at("low").is_null())
      value.update({{"low", run.at("uar").at("low")}, {"high", run.at("uar").at("high")}});
    values.push_back(std::move(value));
  }
  Figure figure{.name = "uar-by-" + axis, .title = "UAR by " + axis};
  figure.kind = numeric ? Figure::Kind::curve : Figure::Kind::bars;
  figure.x = "level";
  figure.x_title = axis;
  figure.y_title = "UAR";
  figure.color = "runs";
  return chart(figure, values);
}

// UAR against the number of trained parameters outside the head; null if it is the same for all runs, or unknown.
json size_figure(const json& results) {
  json values = json::array();
  std::map<int64_t, int> sizes;
  for (const json& run : results.at("runs")) {
    if (run.at("trained_parameters").is_null()) return nullptr;
    const int64_t size = run.at("trained_parameters").at("encoder");
    ++sizes[size];
    json value = {{"level", size}, {"value", shown_score(run.at("uar"))}, {"runs", run.at("name")}};
    if (!run.at("uar").at("low").is_null())
      value.update({{"low", run.at("uar").at("low")}, {"high", run.at("uar").at("high")}});
    values.push_back(std::move(value));
  }
  if (sizes.size() < 2) return nullptr;
  Figure figure{.name = "uar-by-parameters", .title = "UAR by trained parameters"};
  figure.x = "level";
  figure.x_title = "trained parameters outside the head";
  figure.y_title = "UAR";
  figure.color = "runs";
  return chart(figure, values);
}

}  // namespace

std::string study_page(const json& results, const Path& folder) {
  const std::string given = results.at("title"), title = given.empty() ? "Study" : given;
  std::string main = fmt::format("<header>\n<p class=\"kind\">Study</p>\n<h1>{}</h1>\n</header>\n", escaped(title));
  std::vector<ContentsEntry> contents = {{"answer", "Answer"}, {"runs", "Runs"}};
  main += "<section id=\"answer\">\n<h2>Answer</h2>\n" + sentences(answers(results), "reading") + "</section>\n";
  main += "<section id=\"runs\">\n<h2>Runs</h2>\n" + runs_table(results, folder);
  main += "<p class=\"files\"><a href=\"study.csv\">study.csv</a>, <a href=\"study.toml\">study.toml</a>";
  if (std::filesystem::exists(folder / "analyses.html"))
    main += ", <a href=\"analyses.html\">the analyses side by side</a>";
  main += "</p>\n</section>\n";
  std::string figures;
  for (const std::string axis : results.at("axes"))
    figures += figure_html("uar-by-" + axis, axis_figure(results, axis));
  if (const json by_size = size_figure(results); !by_size.is_null())
    figures += figure_html("uar-by-parameters", by_size);
  if (!figures.empty()) {
    contents.push_back({"figures", "Figures"});
    main += "<section id=\"figures\">\n<h2>Figures</h2>\n<div class=\"figures\">\n" + figures + "</div>\n</section>\n";
  }
  return whole_page(title, contents, main);
}

std::string describe_study(const json& results) {
  size_t width = 0;
  for (const json& run : results.at("runs")) width = std::max(width, run.at("name").get<std::string>().size());
  std::string text;
  for (const json& run : results.at("runs")) {
    text += fmt::format("{:<{}}  UAR {:.3f} {}", run.at("name").get<std::string>(), width, shown_score(run.at("uar")),
                        interval(run.at("uar")));
    if (const json& comparison = run.at("comparison"); !comparison.is_null())
      text += fmt::format("   difference {}: {}", difference(comparison), comparison.at("verdict").get<std::string>());
    text += '\n';
  }
  return text;
}

}  // namespace loralens
