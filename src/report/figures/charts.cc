// SPDX-License-Identifier: Apache-2.0
#include "report/figures/charts.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace loralens {
namespace {

using nlohmann::json;

// Okabe and Ito's colour-blind-safe palette (jfly.uni-koeln.de/color, 2008), without yellow and black, which lack
// contrast on white paper and on a dark page.
constexpr std::array palette = {"#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C8C8C"};
constexpr std::array model_order = {"adapted", "frozen", "untrained"};

bool contains_number(const json& values, const std::string& key) {
  return std::ranges::any_of(values, [&](const json& v) { return v.contains(key) && v[key].is_number(); });
}

// Index in model_order; model_order.size() for any other value.
size_t model_place(const json& value) {
  if (!value.is_string()) return model_order.size();
  return std::ranges::find(model_order, value.get_ref<const std::string&>()) - model_order.begin();
}

// The models have the same colours in every figure; other values take the remaining colours.
json colours_for(const std::vector<json>& domain) {
  json colours = json::array();
  const bool models = std::ranges::any_of(domain, [](const json& d) { return model_place(d) < model_order.size(); });
  size_t next = models ? model_order.size() : 0;
  for (const json& value : domain) {
    const size_t place = model_place(value) < model_order.size() ? model_place(value) : next++;
    colours.push_back(palette[place % palette.size()]);
  }
  return colours;
}

json axis_title(const std::string& title) { return title.empty() ? json(nullptr) : json(title); }

// Layer -1 is the embedding.
constexpr const char* layer_label = "datum.value === -1 ? 'emb' : datum.label";

// Whether horizontal labels need more than `room` letters in total.
bool crowded(const std::vector<json>& domain, size_t room) {
  size_t longest = 0;
  for (const json& d : domain) longest = std::max(longest, d.is_string() ? d.get_ref<const std::string&>().size() : 3);
  return longest * domain.size() > room;
}

json discrete_axis(const std::string& column, const std::string& title, const json& values, size_t room = 36) {
  const auto domain = domain_of(values, column);
  json axis = {{"title", axis_title(title)},
               {"labelAngle", !domain.empty() && domain.front().is_string() && crowded(domain, room) ? -35 : 0}};
  if (column == "layer") axis["labelExpr"] = layer_label;
  return {{"field", column}, {"type", "ordinal"}, {"sort", domain}, {"axis", axis}};
}

json continuous_axis(const std::string& column, const std::string& title) {
  json axis = {{"title", axis_title(title)}};
  if (column == "layer") axis.update({{"tickMinStep", 1}, {"format", "d"}, {"labelExpr", layer_label}});
  return {{"field", column},
          {"type", "quantitative"},
          {"axis", axis},
          {"scale", {{"zero", false}, {"nice", false}, {"padding", 8}}}};
}

// Figure and data of one chart of rows, with the parts of the specification that all kinds of chart share.
struct Drawing {
  const Figure& figure;
  const json& values;
  std::vector<json> colours, dashes;
  std::vector<std::string> details;  // columns beyond those of the figure
  bool intervals, nulls, counts;

  Drawing(const Figure& f, const json& v)
      : figure(f),
        values(v),
        intervals(contains_number(v, "low")),
        nulls(contains_number(v, "null_low")),
        counts(contains_number(v, "n")) {
    if (f.kind != Figure::Kind::heat_map) {
      colours = domain_of(v, f.color);
      if (!f.dash.empty()) dashes = domain_of(v, f.dash);
    }
    const std::vector<std::string> known = {f.x,    f.y, f.color, f.dash,       f.facet,    "value",    "low",
                                            "high", "n", "p",     "p_adjusted", "null_low", "null_high"};
    for (const json& value : v)
      for (const auto& [key, cell] : value.items())
        if (std::ranges::count(known, key) == 0 && std::ranges::count(details, key) == 0) details.push_back(key);
  }

  bool many_colours() const { return colours.size() > 1; }

  json colour() const {
    json c = {{"field", figure.color}, {"sort", colours}};
    if (std::ranges::all_of(colours, [](const json& d) { return d.is_number(); })) {
      c.update({{"type", "ordinal"},
                {"scale", {{"domain", colours}, {"scheme", {{"name", "viridis"}, {"extent", {0.2, 0.92}}}}}}});
    } else {
      c.update({{"type", "nominal"}, {"scale", {{"domain", colours}, {"range", colours_for(colours)}}}});
    }
    c["legend"] = many_colours() ? json{{"title", figure.color}} : json(nullptr);
    if (many_colours() && figure.color == "layer") c["legend"]["labelExpr"] = layer_label;
    return c;
  }

  // Encoding of the dash column; looks: line dashes or bar opacities.
  json dash(const json& looks) const {
    return {{"field", figure.dash},
            {"type", "nominal"},
            {"sort", dashes},
            {"scale", {{"domain", dashes}, {"range", looks}}},
            {"legend", dashes.size() > 1 ? json{{"title", figure.dash}} : json(nullptr)}};
  }

  json tooltip() const {
    json fields = json::array();
    std::vector<std::string> columns;
    const auto add = [&](const std::string& column) {
      if (!column.empty() && std::ranges::count(columns, column) == 0) columns.push_back(column);
    };
    if (figure.kind != Figure::Kind::heat_map) add(figure.color), add(figure.dash);
    add(figure.facet), add(figure.x), add(figure.y);
    for (const auto& column : details) add(column);
    for (const auto& column : columns) fields.push_back({{"field", column}, {"type", "nominal"}, {"title", column}});
    fields.push_back({{"field", "value"}, {"type", "quantitative"}, {"format", ".4~g"}, {"title", "value"}});
    if (intervals) fields.push_back({{"field", "interval"}, {"type", "nominal"}, {"title", "95 % interval"}});
    if (nulls) fields.push_back({{"field", "null"}, {"type", "nominal"}, {"title", "95 % of the null"}});
    for (const auto& [column, title] : {std::pair{"p", "p"}, {"p_adjusted", "p adjusted"}})
      if (contains_number(values, column))
        fields.push_back({{"field", column}, {"type", "quantitative"}, {"format", ".2~g"}, {"title", title}});
    if (counts) fields.push_back({{"field", "n"}, {"type", "quantitative"}, {"title", "n"}});
    return fields;
  }

  json detail() const {
    json fields = json::array();
    for (const auto& column : details) fields.push_back({{"field", column}, {"type", "nominal"}});
    return fields;
  }

  // Legend toggle: all entries are shown at first; a click on an entry hides or shows it.
  json legend_toggle() const {
    json chosen = json::array();
    for (const json& colour : colours) chosen.push_back({{figure.color, colour}});
    return json::array(
        {{{"name", "shown"},
          {"bind", "legend"},
          {"value", chosen},
          {"select", {{"type", "point"}, {"fields", {figure.color}}, {"toggle", "true"}, {"clear", false}}}}});
  }

  // Layers of one panel, the first of which carries the legend toggle (the legend belongs to the first).
  json panel(json encoding, std::vector<json> layers) const {
    if (many_colours()) {
      layers.front()["params"] = legend_toggle();
      for (json& layer : layers) layer["transform"] = {{{"filter", {{"param", "shown"}, {"empty", false}}}}};
    }
    return {{"encoding", std::move(encoding)}, {"layer", layers}};
  }

  // The text "0.1 to 0.2" of two columns, for the tooltip.
  static json range(const char* low, const char* high, const char* name) {
    return {{"calculate", fmt::format("isValid(datum.{0}) ? format(datum.{0}, '.4~g') + ' to ' + format(datum.{1}, "
                                      "'.4~g') : 'none'",
                                      low, high)},
            {"as", name}};
  }

  // The whole specification: one panel, or one panel per value of the facet.
  json assemble(json panel) const {
    json spec = {{"$schema", "https://vega.github.io/schema/vega-lite/v6.json"},
                 {"title", figure.title},
                 {"description", figure.title},
                 {"data", {{"values", values}}}};
    if (intervals) spec["transform"].push_back(range("low", "high", "interval"));
    if (nulls) spec["transform"].push_back(range("null_low", "null_high", "null"));
    const auto panels = figure.facet.empty() ? std::vector<json>{} : domain_of(values, figure.facet);
    if (panels.size() < 2) {
      panel.update({{"width", 440}, {"height", 260}});
      spec.update(panel);
      return spec;
    }
    panel.update({{"width", 210}, {"height", 170}});
    json header = {{"title", nullptr}};
    if (panels.front().is_number()) header["labelExpr"] = fmt::format("'{} ' + datum.label", figure.facet);
    spec["facet"] = {{"field", figure.facet}, {"type", "nominal"}, {"sort", panels}, {"header", header}};
    spec["columns"] = std::min<size_t>(panels.size(), 3);
    spec["spec"] = std::move(panel);
    if (figure.own_scales || figure.facet == "metric") spec["resolve"] = {{"scale", {{"y", "independent"}}}};
    return spec;
  }
};

json line_dashes() {
  return json::array({json::array({1, 0}), json::array({5, 3}), json::array({1.5, 2.5}), json::array({8, 3, 2, 3})});
}

json curve(const Drawing& d) {
  const bool numbers = contains_number(d.values, d.figure.x);
  json encoding = {
      {"x",
       numbers ? continuous_axis(d.figure.x, d.figure.x_title) : discrete_axis(d.figure.x, d.figure.x_title, d.values)},
      {"y",
       {{"type", "quantitative"}, {"scale", {{"zero", false}}}, {"axis", {{"title", axis_title(d.figure.y_title)}}}}},
      {"color", d.colour()}};
  if (!d.details.empty()) encoding["detail"] = d.detail();
  const auto y = [](const char* column) { return json{{"field", column}, {"type", "quantitative"}}; };
  json line = {{"mark", {{"type", "line"}, {"strokeWidth", 2}, {"tooltip", nullptr}}},
               {"encoding", {{"y", y("value")}}}};
  if (d.figure.color == "model" && d.many_colours())
    line["encoding"]["strokeWidth"] = {{"condition", {{"test", "datum.model === 'frozen'"}, {"value", 4.5}}},
                                       {"value", 1.75}};
  const auto area = [&](const char* low, const char* high, double opacity) {
    json band = {{"mark", {{"type", "area"}, {"opacity", opacity}, {"tooltip", nullptr}}},
                 {"encoding", {{"y", y(low)}, {"y2", {{"field", high}}}}}};
    if (!d.dashes.empty()) {
      band["encoding"]["detail"] = d.detail();
      band["encoding"]["detail"].push_back({{"field", d.figure.dash}, {"type", "nominal"}});
    }
    return band;
  };
  if (!d.dashes.empty()) line["encoding"]["strokeDash"] = d.dash(line_dashes());
  const json points = {
      {"mark", {{"type", "point"}, {"filled", true}, {"size", 26}, {"opacity", 1}, {"tooltip", nullptr}}},
      {"encoding", {{"y", y("value")}}}};
  // Invisible points, larger than the drawn ones, make tooltips easier to hit.
  const json targets = {{"mark", {{"type", "point"}, {"filled", true}, {"size", 260}, {"opacity", 0}}},
                        {"encoding", {{"y", y("value")}, {"tooltip", d.tooltip()}}}};
  std::vector<json> layers = {line};
  if (d.intervals) layers.push_back(area("low", "high", 0.16));
  if (d.nulls) {  // grey, but one area for each curve
    json null = area("null_low", "null_high", 0.12);
    null["encoding"]["color"] = {{"value", "#808080"}};
    null["encoding"]["detail"] = null["encoding"].value("detail", d.detail());  // without the colour's own groups
    null["encoding"]["detail"].push_back({{"field", d.figure.color}, {"type", "nominal"}});
    layers.push_back(null);
  }
  layers.push_back(points);
  layers.push_back(targets);
  return d.assemble(d.panel(encoding, layers));
}

json bars(const Drawing& d) {
  json encoding = {{"x", discrete_axis(d.figure.x, d.figure.x_title, d.values, d.figure.facet.empty() ? 60 : 36)}};
  encoding["x"]["scale"] = {{"paddingInner", 0.35}, {"paddingOuter", 0.2}};
  if (d.many_colours()) encoding["xOffset"] = {{"field", d.figure.color}, {"type", "nominal"}, {"sort", d.colours}};
  const json axis = {{"title", axis_title(d.figure.y_title)}};
  json bar = {{"mark", {{"type", "bar"}}},
              {"encoding",
               {{"y", {{"field", "value"}, {"type", "quantitative"}, {"stack", nullptr}, {"axis", axis}}},
                {"color", d.colour()},
                {"tooltip", d.tooltip()}}}};
  if (!d.dashes.empty()) bar["encoding"]["fillOpacity"] = d.dash({1, 0.55, 0.3, 0.15});
  std::vector<json> layers = {bar};
  if (d.intervals)
    layers.push_back(
        {{"mark", {{"type", "rule"}, {"strokeWidth", 1.25}, {"color", "#777777"}, {"tooltip", nullptr}}},
         {"encoding",
          {{"y", {{"field", "low"}, {"type", "quantitative"}, {"axis", axis}}}, {"y2", {{"field", "high"}}}}}});
  return d.assemble(d.panel(encoding, layers));
}

json heat_map(const Drawing& d) {
  double lowest = 0, highest = 0;
  for (const json& v : d.values)
    if (v["value"].is_number())
      lowest = std::min(lowest, v["value"].get<double>()), highest = std::max(highest, v["value"].get<double>());
  // Values of both signs get a diverging scale centred at zero.
  const json scale =
      lowest < 0 && highest > 0 ? json{{"scheme", "blueorange"}, {"domainMid", 0}} : json{{"scheme", "viridis"}};
  json y = discrete_axis(d.figure.y, d.figure.y_title.empty() ? d.figure.y : d.figure.y_title, d.values);
  y["axis"].erase("labelAngle");
  // Numbers and layer names ascend from bottom to top.
  if (std::ranges::all_of(y["sort"], [](const json& v) {
        return v.is_number() || v.get_ref<const std::string&>().starts_with("layer ");
      }))
    std::reverse(y["sort"].begin(), y["sort"].end());
  const auto metrics = domain_of(d.values, "metric");
  const json encoding = {{"x", discrete_axis(d.figure.x, d.figure.x_title, d.values)},
                         {"y", y},
                         {"color",
                          {{"field", "value"},
                           {"type", "quantitative"},
                           {"scale", scale},
                           {"legend", {{"title", metrics.size() == 1 ? metrics.front() : json("value")}}}}},
                         {"tooltip", d.tooltip()}};
  return d.assemble({{"mark", {{"type", "rect"}}}, {"encoding", encoding}});
}

json scatter(const Figure& figure, const json& values) {
  const json bare = {{"labels", false}, {"ticks", false}, {"title", nullptr}, {"grid", false}};
  const auto axis = [&](const char* column) {
    return json{
        {"field", column}, {"type", "quantitative"}, {"scale", {{"zero", false}, {"padding", 6}}}, {"axis", bare}};
  };
  const auto colour = [](const json& legend) {
    return json{{"field", "colour"}, {"type", "nominal"}, {"scale", {{"range", palette}}}, {"legend", legend}};
  };
  const json legend = {{"title", nullptr}, {"symbolLimit", 42}};
  json shape = colour(legend);
  // Six shapes and seven colours give 42 different symbols for speakers.
  shape["scale"]["range"] = {"circle", "square", "triangle-up", "diamond", "cross", "triangle-down"};
  const json tooltip = json::array({{{"field", "id"}, {"title", "clip"}},
                                    {{"field", "label"}, {"title", "label"}},
                                    {{"field", "speaker"}, {"title", "speaker"}}});
  json panel = {{"params",
                 {{{"name", "picked"},
                   {"bind", "legend"},
                   {"select", {{"type", "point"}, {"fields", {"colour"}}, {"toggle", "true"}}}}}},
                {"mark", {{"type", "point"}, {"filled", true}, {"size", 36}}},
                {"encoding",
                 {{"x", axis("x")},
                  {"y", axis("y")},
                  {"color", colour(legend)},
                  {"shape", shape},
                  {"opacity", {{"condition", {{"param", "picked"}, {"value", 0.9}}}, {"value", 0.06}}},
                  {"tooltip", tooltip}}}};
  const auto panels = domain_of(values, "panel");
  panel.update({{"width", panels.size() > 1 ? 210 : 440}, {"height", panels.size() > 1 ? 210 : 360}});
  json spec = {{"$schema", "https://vega.github.io/schema/vega-lite/v6.json"},
               {"title", figure.title},
               {"description", figure.title},
               {"data", {{"values", values}}},
               {"params",
                {{{"name", "colour_by"},
                  {"value", "label"},
                  {"bind", {{"input", "radio"}, {"options", {"label", "speaker"}}, {"name", "colour by "}}}}}},
               {"transform", {{{"calculate", "datum[colour_by]"}, {"as", "colour"}}}}};
  if (panels.size() < 2) {
    // A selection and a bound value are both parameters of the one view.
    spec["params"].push_back(panel["params"][0]);
    panel.erase("params");
    spec.update(panel);
    return spec;
  }
  spec.update({{"facet", {{"field", "panel"}, {"type", "nominal"}, {"sort", panels}, {"header", {{"title", nullptr}}}}},
               {"columns", std::min<size_t>(panels.size(), 3)},
               {"spec", panel},
               {"resolve", {{"scale", {{"x", "independent"}, {"y", "independent"}}}}}});
  return spec;
}

// The frozen model's line, which is wider, is drawn below the others, so that both are seen where they coincide.
json frozen_first(json values) {
  std::ranges::stable_partition(values.get_ref<json::array_t&>(),
                                [](const json& value) { return value.value("model", json()) == "frozen"; });
  return values;
}

}  // namespace

std::vector<json> domain_of(const json& values, const std::string& column) {
  std::vector<json> domain;
  for (const json& v : values)
    if (v.contains(column) && std::ranges::count(domain, v[column]) == 0) domain.push_back(v[column]);
  if (std::ranges::all_of(domain, [](const json& d) { return d.is_number(); })) {
    std::ranges::sort(domain);
  } else if (column == "model") {
    std::ranges::stable_sort(domain, {}, model_place);
  }
  return domain;
}

json chart(const Figure& figure, const json& values) {
  switch (figure.kind) {
    case Figure::Kind::curve: return curve({figure, frozen_first(values)});
    case Figure::Kind::bars: return bars({figure, values});
    case Figure::Kind::heat_map: return heat_map({figure, values});
    case Figure::Kind::scatter: return scatter(figure, values);
  }
  fail("a figure of no known kind");
}

}  // namespace loralens
