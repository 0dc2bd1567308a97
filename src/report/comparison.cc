// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <set>

#include "report/figures/figures.h"
#include "report/figures/reliability.h"
#include "report/folder.h"
#include "report/html.h"
#include "report/page.h"
#include "report/sections/across.h"
#include "report/sections/differences.h"
#include "report/sections/scores.h"
#include "results/compare.h"

namespace loralens {
namespace {

using nlohmann::json;

struct ComparedRun {
  std::string name;
  Path dir;
  json summary;
};

std::vector<std::string> parts_of(const Path& dir) {
  std::vector<std::string> parts;
  for (const auto& part : std::filesystem::weakly_canonical(dir))
    if (!part.empty()) parts.push_back(part.string());
  return parts;
}

std::string text_of(const json& about, const char* key) {
  for (const auto& [label, text] : facts_of({{key, about.value(key, json())}})) return escaped(text);
  return "";
}

std::string runs_table(const std::vector<ComparedRun>& runs, const Path& folder) {
  std::vector<std::vector<std::string>> rows;
  for (const ComparedRun& run : runs) {
    const json& about = run.summary.at("about");
    const json metrics = about.value("metrics", json::object());
    const Path page = run.dir / "report.html";
    std::vector<std::string> row = {std::filesystem::exists(page)
                                        ? fmt::format("<a href=\"{}\">{}</a>", link_to(page, folder), escaped(run.name))
                                        : escaped(run.name)};
    for (const char* key : {"base", "method", "corpus", "folds", "protocol"}) row.push_back(text_of(about, key));
    for (const char* key : {"uar", "war", "macro_f1"}) row.push_back(score_cell(metrics, key));
    rows.push_back(std::move(row));
  }
  return html_table(
      "Scores of all clips together with their 95 % interval over speakers (and trainings, where a run has several); "
      "mean ± standard deviation of folds (the mean is the first number of runs of older versions)",
      {"Run", "Model", "Method", "Corpus", "Folds", "Protocol", "UAR", "WAR", "Macro F1"}, rows);
}

std::string protocol_note(const std::vector<ComparedRun>& runs) {
  std::set<std::string> protocols;
  for (const ComparedRun& run : runs)
    if (!run.summary.at("analyses").empty()) protocols.insert(text_of(run.summary.at("about"), "protocol"));
  if (protocols.size() < 2) return "";
  return "<p class=\"caveat\"><strong>Caveat.</strong> These runs were analysed by different protocols, whose numbers "
         "are not comparable.</p>\n";
}

// A run's scores and predictions.
struct Scores {
  std::string name, run;
  json metrics;
  std::vector<Prediction> predictions;  // empty if predictions.csv does not exist any more
};

std::vector<Scores> scores_of(const std::vector<ComparedRun>& runs) {
  std::vector<Scores> all;
  for (const ComparedRun& run : runs) {
    const json& about = run.summary.at("about");
    if (!about.contains("metrics")) continue;
    const json& metrics = about.at("metrics");
    const Path folder = scores_folder(run.dir, about);
    // An analysis of one fold shows the scores of the whole run.
    const std::string place = folder.empty() || metrics.contains("run")
                                  ? about.value("run", run.dir.string())
                                  : std::filesystem::weakly_canonical(folder).string();
    // An analysis repeats the scores of its run, which may be given too.
    if (std::ranges::any_of(all, [&](const Scores& s) { return s.run == place && s.metrics == metrics; })) continue;
    all.push_back({run.name, place, metrics, {}});
    if (folder.empty()) continue;
    all.back().predictions = read_predictions(folder / "predictions.csv", metrics.at("classes"));
    check_agreement(metrics, all.back().predictions, folder.string());
  }
  return all;
}

// Differences of all pairs of runs with the same test clips.
std::string differences_of(const std::vector<Scores>& runs) {
  std::vector<Difference> differences;
  for (size_t i = 0; i < runs.size(); ++i)
    for (size_t j = i + 1; j < runs.size(); ++j) {
      const auto &a = runs[i].predictions, &b = runs[j].predictions;
      const json& classes = runs[i].metrics.at("classes");
      if (a.empty() || classes != runs[j].metrics.at("classes") || !same_clips(a, b)) continue;
      differences.push_back({runs[i].name, runs[j].name, compare_results(a, b, std::ssize(classes), /*seed=*/42)});
    }
  return differences_html(differences);
}

std::vector<std::string> calibration_row(const Scores& run) {
  const json& calibration = run.metrics.at("calibration");
  const json null = calibration.value("calibrated", json());
  const auto cell = [](const json& from, const char* key) {
    return from.is_null() || !from.contains(key) || from.at(key).is_null()
               ? ""
               : fmt::format("{:.3f}", from.at(key).get<double>());
  };
  const bool infinite = calibration.contains("log_loss") && calibration.at("log_loss").is_null();
  return {escaped(run.name),  cell(calibration, "ece"),   cell(null, "mean"),
          cell(null, "high"), cell(calibration, "brier"), infinite ? "infinite" : cell(calibration, "log_loss")};
}

std::string calibration_of(const std::vector<Scores>& runs) {
  std::vector<std::pair<std::string, json>> named;
  std::vector<std::vector<std::string>> rows;
  for (const Scores& run : runs)
    if (run.metrics.contains("calibration")) {
      named.push_back({run.name, run.metrics});
      rows.push_back(calibration_row(run));
    }
  if (named.size() < 2) return "";
  return html_table("",
                    {"Run", "Expected calibration error", "Of a calibrated model: mean", "95 %", "Brier score",
                     "Log-loss (nats)"},
                    rows) +
         "<div class=\"figures\">\n" + figure_html("reliability", reliability_figure(named)) + "</div>\n";
}

std::string across_of(const std::vector<Scores>& runs) {
  std::vector<ScoredRun> scored;
  for (const Scores& run : runs) scored.push_back({run.run, run.metrics});
  return across_html(scored);
}

// The analyses of all runs by name, in the order in which they first occur.
std::vector<std::string> analyses_of(const std::vector<ComparedRun>& runs) {
  std::vector<std::string> names;
  for (const ComparedRun& run : runs)
    for (const json& a : run.summary.at("analyses"))
      if (const std::string name = a.at("name"); std::ranges::count(names, name) == 0) names.push_back(name);
  return names;
}

// An analysis's figures by name, with the runs that have them.
std::vector<std::pair<std::string, std::vector<RunFigure>>> figures_of(const std::vector<ComparedRun>& runs,
                                                                       const std::string& analysis) {
  std::vector<std::pair<std::string, std::vector<RunFigure>>> figures;
  for (const ComparedRun& run : runs)
    for (const json& a : run.summary.at("analyses"))
      for (const json& f : a.at("name") == analysis ? a.at("figures") : json::array()) {
        const std::string name = f.at("name");
        auto known = std::ranges::find(figures, name, [](const auto& figure) { return figure.first; });
        if (known == figures.end()) known = figures.insert(figures.end(), {name, {}});
        known->second.push_back({run.name, read_figure(run.dir, name)});
      }
  return figures;
}

std::string measures_of(const std::vector<ComparedRun>& runs, const std::string& analysis) {
  for (const ComparedRun& run : runs)
    for (const json& a : run.summary.at("analyses"))
      if (a.at("name") == analysis) return a.at("measures");
  return "";
}

// "" if the analysis has no figure that two runs share.
std::string analysis_html(const std::vector<ComparedRun>& runs, const std::string& analysis) {
  std::string figures;
  for (const auto& [name, of_runs] : figures_of(runs, analysis)) {
    if (of_runs.size() < 2) continue;
    if (const json spec = combined_figure(of_runs); !spec.is_null()) figures += figure_html(name, spec);
  }
  if (figures.empty()) return "";
  return fmt::format(
      "<section id=\"{}\">\n<h2>{}</h2>\n<p class=\"measures\">{}</p>\n"
      "<div class=\"figures choose\">\n{}</div>\n</section>\n",
      escaped(analysis), escaped(title_of(analysis)), escaped(measures_of(runs, analysis)), figures);
}

}  // namespace

std::vector<std::string> distinct_names(const std::vector<Path>& dirs) {
  std::vector<std::vector<std::string>> paths;
  for (const Path& dir : dirs) paths.push_back(parts_of(dir));
  // before, after: number of leading and trailing path parts that all folders share.
  size_t shortest = paths.front().size();
  for (const auto& p : paths) shortest = std::min(shortest, p.size());
  const auto agree = [&](auto part) {
    return std::ranges::all_of(paths, [&](const auto& p) { return part(p) == part(paths.front()); });
  };
  size_t before = 0, after = 0;
  while (before < shortest && agree([&](const auto& p) { return p[before]; })) ++before;
  while (before + after < shortest && agree([&](const auto& p) { return p[p.size() - 1 - after]; })) ++after;
  std::vector<std::string> names;
  for (const auto& parts : paths) {
    std::string name;
    for (size_t i = before; i + after < parts.size(); ++i) name += (name.empty() ? "" : "/") + parts[i];
    names.push_back(name.empty() ? std::filesystem::weakly_canonical(dirs[names.size()]).string() : name);
  }
  for (size_t i = 0; i < names.size(); ++i)
    if (std::ranges::count(names, names[i]) > 1) fail("the folder {} is given twice", dirs[i].string());
  return names;
}

std::string comparison_page(const std::vector<Path>& dirs, const Path& folder) {
  const auto names = distinct_names(dirs);
  std::vector<ComparedRun> runs;
  for (size_t i = 0; i < dirs.size(); ++i) runs.push_back({names[i], dirs[i], read_summary(dirs[i])});
  return from_folder("one of the folders", [&] {
    const std::string title = fmt::format("Comparison of {} runs", runs.size());
    std::vector<ContentsEntry> contents = {{"runs", "Runs"}};
    std::string main = fmt::format("<header>\n<p class=\"kind\">{}</p>\n<h1>{}</h1>\n</header>\n",
                                   analyses_of(runs).empty() ? "Results" : "Interpretability report", title);
    main += "<section id=\"runs\">\n<h2>Runs</h2>\n" + runs_table(runs, folder) + protocol_note(runs) + "</section>\n";
    const auto scores = scores_of(runs);
    const std::array<std::array<std::string, 3>, 3> sections = {
        {{"across", "Across corpora", across_of(scores)},
         {"differences", "Differences", differences_of(scores)},
         {"calibration", "Calibration", calibration_of(scores)}}};
    for (const auto& [anchor, heading, html] : sections) {
      if (html.empty()) continue;
      contents.push_back({anchor, heading});
      main += fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", anchor, heading, html);
    }
    for (const auto& name : analyses_of(runs)) {
      const std::string html = analysis_html(runs, name);
      if (html.empty()) continue;
      contents.push_back({name, title_of(name)});
      main += html;
    }
    return whole_page(title, contents, main);
  });
}

void write_comparison(const std::vector<Path>& dirs, const Path& out) {
  write_file(out, comparison_page(dirs, out.has_parent_path() ? out.parent_path() : Path(".")));
}

}  // namespace loralens
