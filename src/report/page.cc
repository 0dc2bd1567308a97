// SPDX-License-Identifier: Apache-2.0
#include "report/page.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/formats/csv.h"
#include "report/answer.h"
#include "report/differences.h"
#include "report/folder.h"
#include "report/html.h"
#include "report/scores.h"

namespace loralens {
namespace {

using nlohmann::json;

constexpr size_t rows_shown = 400;  // maximum number of table rows on the page; the CSV file has all

std::string head_html(const json& about, const char* kind) {
  std::string html = fmt::format("<header>\n<p class=\"kind\">{}</p>\n<h1>{}</h1>\n<dl class=\"facts\">\n", kind,
                                 escaped(run_title(about)));
  for (const auto& [label, text] : facts_of(about))
    html += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(label), escaped(text));
  return html + "</dl>\n</header>\n";
}

// "lora" for a run .../lora and for its fold .../lora/fold-00: the differences shown are those of the whole run.
std::string run_name(const std::string& folder) {
  Path path(folder);
  if (path.filename().empty()) path = path.parent_path();
  if (path.filename().string().starts_with("fold-")) path = path.parent_path();
  return path.filename().string();
}

// The columns to show: no empty ones, and analysis, protocol and seed only if they vary.
std::vector<size_t> columns_shown(const Table& table) {
  std::vector<size_t> columns;
  for (size_t c = 0; c < table.header.size(); ++c) {
    const std::string& name = table.header[c];
    const bool filled = std::ranges::any_of(table.rows, [&](const auto& row) { return !row[c].empty(); });
    const bool told_above = name == "analysis" || name == "protocol" || name == "seed";
    const bool varies =
        std::ranges::any_of(table.rows, [&](const auto& row) { return row[c] != table.rows.front()[c]; });
    if (filled && (varies || !told_above)) columns.push_back(c);
  }
  return columns;
}

// A cell as the page shows it: numbers to four digits.
std::string cell_html(const std::string& column, const std::string& cell) {
  static const std::set<std::string> numbers = {"value", "low", "high", "p", "p_adjusted", "null_low", "null_high"};
  if (cell.empty() || !numbers.contains(column)) return escaped(cell);
  return fmt::format("{:.4g}", std::strtod(cell.c_str(), nullptr));
}

std::string table_html(const Path& dir, const std::string& analysis, bool arrays, const Path& folder) {
  const Path file = dir / "tables" / (analysis + ".csv");
  Table table = read_csv(file);
  const int fold = table.column("fold");
  const size_t all = table.rows.size();
  if (fold < 0) fail("{} has no column fold: analyse again", file.string());
  const auto is_pooled = [&](const auto& row) { return row[fold].empty(); };
  const bool pooled = std::ranges::any_of(table.rows, is_pooled);
  if (pooled) std::erase_if(table.rows, [&](const auto& row) { return !is_pooled(row); });
  const size_t of_interest = table.rows.size();
  if (of_interest > rows_shown) table.rows.resize(rows_shown);

  const auto columns = columns_shown(table);
  std::vector<std::string> header;
  for (const size_t c : columns) header.push_back(table.header[c]);
  std::vector<std::vector<std::string>> rows;
  for (const auto& row : table.rows) {
    std::vector<std::string> cells;
    for (const size_t c : columns) cells.push_back(cell_html(table.header[c], row[c]));
    rows.push_back(std::move(cells));
  }
  std::string what = fmt::format("{} rows{}", of_interest, pooled && of_interest < all ? " over all folds" : "");
  if (of_interest > rows_shown) what = fmt::format("the first {} of {}", rows_shown, what);
  std::string files =
      fmt::format("all {} rows: <a href=\"{}\">{}.csv</a>", all, link_to(file, folder), escaped(analysis));
  if (arrays)
    files += fmt::format(", arrays: <a href=\"{0}\">{1}.npz</a>", link_to(dir / "arrays" / (analysis + ".npz"), folder),
                         escaped(analysis));
  return fmt::format(
      "<details class=\"table\"><summary>Table ({})</summary>\n<p class=\"files\">{}</p>\n{}</details>\n", what, files,
      html_table("", header, rows));
}

std::string analysis_html(const Path& dir, const json& a, const Path& folder) {
  const auto name = a.at("name").get<std::string>();
  std::string html = fmt::format("<section id=\"{0}\">\n<h2>{1}</h2>\n<p class=\"measures\">{2}</p>\n", escaped(name),
                                 escaped(title_of(name)), escaped(a.at("measures").get<std::string>()));
  html += sentences(a.at("reading"), "reading");
  if (!a.at("figures").empty()) {
    html += "<div class=\"figures\">\n";
    for (const json& figure : a.at("figures"))
      html += figure_html(figure.at("name"), read_figure(dir, figure.at("name")));
    html += "</div>\n";
  }
  if (a.at("rows").get<size_t>() > 0) html += table_html(dir, name, a.at("arrays").get<bool>(), folder);
  html += sentences(a.at("notes"), "notes");
  if (const auto caveat = a.at("caveat").get<std::string>(); !caveat.empty())
    html += fmt::format("<p class=\"caveat\"><strong>Caveat.</strong> {}</p>\n", escaped(caveat));
  if (const auto source = a.at("source").get<std::string>(); !source.empty())
    html += fmt::format("<p class=\"source\">Source: {}</p>\n", escaped(source));
  return html + "</section>\n";
}

std::string clip_button(const json& clip, size_t number) {
  const bool right = clip.at("label") == clip.at("predicted");
  std::string name = Path(clip.at("id").get<std::string>()).filename().string();
  return fmt::format(
      "<li><button type=\"button\" data-clip=\"{}\" title=\"{}\"><span>{}</span> "
      "<small>{}{:.2f}</small></button></li>\n",
      number, escaped(clip.at("id").get<std::string>()), escaped(name),
      right ? "" : escaped(clip.at("predicted").get<std::string>()) + " ", clip.at("confidence").get<double>());
}

// Two lists of clips per class; page.js shows the chosen clip.
std::string explorer_html(json explorer) {
  std::string html =
      "<section id=\"clips\">\n<h2>Clips</h2>\n<p>The most confident errors and successes of each class: the "
      "head's prediction after each layer, the clip's position among the others, and its audio. The audio is "
      "played from its file on the machine that made this page.</p>\n<div class=\"explorer\">\n<div "
      "class=\"chooser\">\n";
  for (const json& name : explorer.at("classes")) {
    std::string errors, successes;
    for (size_t i = 0; i < explorer.at("clips").size(); ++i) {
      const json& clip = explorer.at("clips")[i];
      if (clip.at("label") == name) (clip.at("predicted") == name ? successes : errors) += clip_button(clip, i);
    }
    html += fmt::format("<h3>{}</h3>\n", escaped(name.get<std::string>()));
    html += errors.empty() ? "<p class=\"none\">no errors</p>\n"
                           : "<p>errors, with the predicted class</p>\n<ul>\n" + errors + "</ul>\n";
    html +=
        successes.empty() ? "<p class=\"none\">no successes</p>\n" : "<p>successes</p>\n<ul>\n" + successes + "</ul>\n";
  }
  html += "</div>\n<div class=\"clip\" aria-live=\"polite\"></div>\n</div>\n";
  for (json& clip : explorer.at("clips")) clip["url"] = file_url(clip.at("path").get<std::string>());
  return html + json_script("id=\"explorer-data\"", explorer) + "</section>\n";
}

}  // namespace

std::string report_page(const Path& dir, const Path& folder) {
  const json summary = read_summary(dir);
  return from_folder(dir, [&] {
    const json& about = summary.at("about");
    std::vector<std::pair<std::string, std::string>> contents;
    std::string main = head_html(about, summary.at("analyses").empty() ? "Results" : "Interpretability report");
    const std::string answer = answer_html(summary, run_name(about.value("run", std::string())),
                                           run_name(about.value("against", std::string())));
    if (!answer.empty()) contents.push_back({"answer", "Answer"});
    main += answer;
    if (about.contains("metrics")) {
      contents.push_back({"results", "Results"});
      main += "<section id=\"results\">\n<h2>Results</h2>\n" + scores_html(about.at("metrics")) + "</section>\n";
    }
    if (about.contains("comparison")) {
      contents.push_back({"differences", "Differences"});
      main += "<section id=\"differences\">\n<h2>Differences</h2>\n" +
              differences_html({{run_name(about.at("run")), run_name(about.at("against")), about.at("comparison")}}) +
              "</section>\n";
    }
    for (const json& a : summary.at("analyses")) {
      const auto name = a.at("name").get<std::string>();
      contents.push_back({name, title_of(name)});
      main += analysis_html(dir, a, folder);
    }
    if (const json& explorer = summary.at("explorer"); !explorer.at("clips").empty()) {
      contents.push_back({"clips", "Clips"});
      main += explorer_html(explorer);
    }
    return whole_page(run_title(about), contents, main);
  });
}

void write_page(const Path& dir) { write_file(dir / "report.html", report_page(dir, dir)); }

}  // namespace loralens
