// SPDX-License-Identifier: Apache-2.0
#include "report/figures/figures.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <ranges>

#include "base/enum.h"
#include "base/error.h"
#include "report/figures/charts.h"
#include "report/rounded.h"
#include "report/rows.h"

namespace loralens {
namespace {

using nlohmann::json;

constexpr std::array kinds = {"curve", "bars", "heat_map", "scatter"};
constexpr std::array key_columns = {"model",  "variant",   "fold",   "step", "layer",
                                    "module", "component", "metric", "class"};

bool is_number_column(const std::string& column) { return column == "layer" || column == "step" || column == "fold"; }

// A metric's name in words: "relative norm" for relative_norm, "UAR" for uar.
std::string metric_words(std::string metric) {
  for (const char* abbreviation : {"uar", "cka", "kl"})
    if (metric == abbreviation)
      std::ranges::transform(metric, metric.begin(), [](unsigned char c) { return std::toupper(c); });
  if (metric == "log_probability") return "log-probability";
  std::ranges::replace(metric, '_', ' ');
  return metric;
}

// A cell's text or number in legends and on axes.
json cell_value(const Row& row, const std::string& column) {
  std::string cell = key_cell(row, column);
  if (cell.empty()) return column == "variant" ? "plain" : "all";
  if (is_number_column(column)) return std::strtoll(cell.c_str(), nullptr, 10);
  return column == "metric" ? metric_words(std::move(cell)) : cell;
}

std::vector<const Row*> chosen_rows(const Figure& figure, const std::vector<Row>& rows) {
  std::vector<const Row*> chosen;
  bool pooled = false;
  for (const Row& row : rows) {
    const bool allowed = std::ranges::all_of(figure.where, [&](const auto& condition) {
      return std::ranges::count(condition.second, key_cell(row, condition.first)) > 0;
    });
    if (!allowed || key_cell(row, figure.x).empty() || (!figure.y.empty() && key_cell(row, figure.y).empty())) continue;
    pooled = pooled || !row.fold;
    chosen.push_back(&row);
  }
  if (pooled) std::erase_if(chosen, [](const Row* row) { return row->fold.has_value(); });
  return chosen;
}

// The figure's own columns, and all other key columns whose values differ among the rows.
std::vector<std::string> columns_of(const Figure& figure, const std::vector<const Row*>& rows) {
  std::vector<std::string> columns;
  const bool heat_map = figure.kind == Figure::Kind::heat_map;
  // A heat map's legend has the metric as title.
  for (const auto& column :
       {figure.x, heat_map ? figure.y : figure.color, heat_map ? "metric" : figure.dash, figure.facet})
    if (!column.empty() && std::ranges::count(columns, column) == 0) columns.push_back(column);
  for (const char* column : key_columns) {
    const auto differs = [&](const Row* row) { return key_cell(*row, column) != key_cell(*rows.front(), column); };
    if (std::ranges::count(columns, column) == 0 && std::ranges::any_of(rows, differs)) columns.push_back(column);
  }
  return columns;
}

json values_of(const Figure& figure, const std::vector<Row>& rows) {
  const auto chosen = chosen_rows(figure, rows);
  const auto columns = columns_of(figure, chosen);
  json values = json::array();
  for (const Row* row : chosen) {
    json value = {{"value", rounded(row->value)}};
    for (const auto& column : columns) value[column] = cell_value(*row, column);
    if (std::isfinite(row->low)) value.update({{"low", rounded(row->low)}, {"high", rounded(row->high)}});
    if (row->n > 0) value["n"] = row->n;
    for (const auto& [column, number] : {std::pair{"p", row->p},
                                         {"p_adjusted", row->p_adjusted},
                                         {"null_low", row->null_low},
                                         {"null_high", row->null_high}})
      if (std::isfinite(number)) value[column] = rounded(number);
    values.push_back(std::move(value));
  }
  return values;
}

json values_of(const std::vector<Point>& points) {
  json values = json::array();
  for (const Point& p : points)
    values.push_back({{"x", rounded(p.x, 4)},
                      {"y", rounded(p.y, 4)},
                      {"panel", p.panel},
                      {"label", p.label},
                      {"speaker", p.speaker},
                      {"id", p.id}});
  return values;
}

json description_of(const Figure& f) {
  return {{"name", f.name},       {"title", f.title}, {"kind", kinds[ordinal(f.kind)]}, {"x", f.x},
          {"x_title", f.x_title}, {"y", f.y},         {"y_title", f.y_title},           {"color", f.color},
          {"dash", f.dash},       {"facet", f.facet}, {"own_scales", f.own_scales}};
}

Figure figure_of(const json& d) {
  const auto kind = std::ranges::find(kinds, d.at("kind").get<std::string>());
  if (kind == kinds.end()) fail("a figure of the kind {}", d.at("kind").dump());
  return {.name = d.at("name"),
          .title = d.at("title"),
          .kind = static_cast<Figure::Kind>(kind - kinds.begin()),
          .where = {},
          .x = d.at("x"),
          .x_title = d.at("x_title"),
          .y_title = d.at("y_title"),
          .color = d.at("color"),
          .dash = d.at("dash"),
          .facet = d.at("facet"),
          .own_scales = d.at("own_scales"),
          .y = d.at("y"),
          .points = {}};
}

std::string text_of(const std::string& column, const json& cell) {
  return cell.is_string() ? cell.get<std::string>() : fmt::format("{} {}", column, cell.dump());
}

}  // namespace

json vega_lite(const Figure& figure, const std::vector<Row>& rows) {
  const bool scatter = figure.kind == Figure::Kind::scatter;
  json spec = chart(figure, scatter ? values_of(figure.points) : values_of(figure, rows));
  spec["usermeta"] = {{"figure", description_of(figure)}};
  return spec;
}

json combined_figure(const std::vector<RunFigure>& figures) try {
  Figure figure = figure_of(figures.front().spec.at("usermeta").at("figure"));
  if (figure.kind != Figure::Kind::curve && figure.kind != Figure::Kind::bars) return nullptr;
  json values = json::array();
  for (const auto& [run, spec] : figures)
    for (json value : spec.at("data").at("values")) {
      value["run"] = run;
      values.push_back(std::move(value));
    }
  // Panels are named by the columns with several values; the other columns are dropped.
  std::vector<std::string> told;
  for (const auto& column : {figure.facet, figure.color, figure.dash}) {
    if (column.empty() || column == figure.x || std::ranges::count(told, column) > 0) continue;
    if (domain_of(values, column).size() > 1) told.push_back(column);
  }
  for (const auto& column : std::ranges::reverse_view(told)) {  // panels with the same first column lie side by side
    const auto domain = domain_of(values, column);
    std::ranges::stable_sort(values.get_ref<json::array_t&>(), {}, [&](const json& value) {
      return std::ranges::find(domain, value.at(column)) - domain.begin();
    });
  }
  for (json& value : values) {
    std::string panel;
    for (const auto& column : told) panel += (panel.empty() ? "" : ", ") + text_of(column, value.at(column));
    value["panel"] = panel;
    for (const auto& column : {figure.facet, figure.color, figure.dash})
      if (column != figure.x) value.erase(column);
  }
  figure.color = "run";
  figure.dash = "";
  figure.facet = "panel";
  figure.own_scales |= std::ranges::count(told, "metric") > 0;
  return chart(figure, values);
} catch (const json::exception&) {
  fail("the specification of a figure is not one that `loralens analyze` wrote");
}

}  // namespace loralens
