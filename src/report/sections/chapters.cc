// SPDX-License-Identifier: Apache-2.0
#include "report/sections/chapters.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>

#include "base/error.h"
#include "base/formats/csv.h"
#include "report/folder.h"

namespace loralens {
namespace {

using nlohmann::json;

constexpr size_t rows_shown = 400;  // maximum number of table rows on the page; the CSV file has all

struct ChapterTitle {
  const char *name, *title;
};
// In the order of the page. Folders of older versions name no chapter.
constexpr std::array chapters = {ChapterTitle{"causes", "Causes"}, ChapterTitle{"decision", "Decision, layer by layer"},
                                 ChapterTitle{"states", "What the states hold"},
                                 ChapterTitle{"adapters", "Adapters and gradients"}, ChapterTitle{"", "Analyses"}};

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

// The notes and the source of an analysis, folded.
std::string notes_html(const json& a) {
  const auto source = a.at("source").get<std::string>();
  std::string html = sentences(a.at("notes"), "notes");
  if (!source.empty()) html += fmt::format("<p class=\"source\">Source: {}</p>\n", escaped(source));
  if (html.empty()) return "";
  return fmt::format("<details class=\"notes-of\"><summary>Notes and source</summary>\n{}</details>\n", html);
}

std::string analysis_html(const Path& dir, const json& a, const Path& folder) {
  const auto name = a.at("name").get<std::string>();
  std::string html = fmt::format("<section id=\"{0}\">\n<h3>{1}</h3>\n<p class=\"measures\">{2}</p>\n", escaped(name),
                                 escaped(title_of(name)), escaped(a.at("measures").get<std::string>()));
  html += sentences(a.at("reading"), "reading");
  if (!a.at("figures").empty()) {
    html += "<div class=\"figures choose\">\n";
    for (const json& figure : a.at("figures"))
      html += figure_html(figure.at("name"), read_figure(dir, figure.at("name")));
    html += "</div>\n";
  }
  if (a.at("rows").get<size_t>() > 0) html += table_html(dir, name, a.at("arrays").get<bool>(), folder);
  if (const auto caveat = a.at("caveat").get<std::string>(); !caveat.empty())
    html += fmt::format("<p class=\"caveat\"><strong>Caveat.</strong> {}</p>\n", escaped(caveat));
  return html + notes_html(a) + "</section>\n";
}

// The first sentence of each of these analyses.
std::string first_sentences(const std::vector<const json*>& analyses) {
  json first = json::array();
  for (const json* a : analyses)
    if (!a->at("reading").empty())
      first.push_back(fmt::format("{}: {}", title_of(a->at("name")), a->at("reading")[0].get<std::string>()));
  return sentences(first, "first");
}

}  // namespace

std::string chapter_html(const std::string& anchor, const std::string& title, const std::string& first,
                         const std::string& main) {
  return fmt::format("<details class=\"chapter\" id=\"{}\">\n<summary><h2>{}</h2>\n{}</summary>\n{}</details>\n",
                     escaped(anchor), escaped(title), first, main);
}

std::string analyses_html(const Path& dir, const json& analyses, const Path& folder,
                          std::vector<ContentsEntry>& contents) {
  std::string html;
  for (const auto& [name, title] : chapters) {
    std::vector<const json*> of_chapter;
    std::string main;
    const std::string anchor = fmt::format("chapter-{}", *name ? name : "analyses");
    for (const json& a : analyses) {
      if (a.value("chapter", std::string()) != name) continue;
      if (of_chapter.empty()) contents.push_back({anchor, title});
      of_chapter.push_back(&a);
      const std::string analysis = a.at("name");
      contents.push_back({analysis, title_of(analysis), /*inner=*/true});
      main += analysis_html(dir, a, folder);
    }
    if (!of_chapter.empty()) html += chapter_html(anchor, title, first_sentences(of_chapter), main);
  }
  return html;
}

}  // namespace loralens
