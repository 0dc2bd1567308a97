// SPDX-License-Identifier: Apache-2.0
#include "analysis/alignment/words.h"

#include <algorithm>
#include <utility>

#include "analysis/curves.h"
#include "base/error.h"

namespace loralens {
namespace {

constexpr double alike = 0.95;  // the reading calls residual streams of at least this CKA alike

Figure start(const Setting& setting, const std::string& name, const std::string& title) {
  Figure figure;
  figure.name = name;
  figure.title = title;
  figure.y_title = "CKA (debiased)";
  figure.where.push_back({"metric", {"cka"}});
  return figure;
}

// One panel per module if there are several (then `of` has one component), else one per component.
Figure figure_of(const Setting& setting, const std::vector<std::string>& of, bool several, bool frames,
                 const std::string& gauge) {
  const std::string variant = alignment_variant(frames, gauge, false);
  const std::string words = of.size() > 1        ? "A x with B A x, and their gradients"
                            : of[0] == "forward" ? "A x with B A x"
                                                 : "Gradients at A x and at B A x";
  Figure figure = start(
      setting, fmt::format("alignment{}{}{}", of.size() > 1 ? "" : "-" + of[0], variant.empty() ? "" : "-", variant),
      fmt::format("{}: {}{}", words, gauge.empty() ? "as trained" : "balanced gauge", frames ? ", frames" : ""));
  figure.where.push_back({"variant", {variant, alignment_variant(frames, gauge, true)}});
  figure.where.push_back({"component", of});
  figure.color = "variant";
  figure.dash = "model";
  figure.facet = several ? "module" : "component";
  return figure;
}

Figure map_of(const Setting& setting, const std::string& model, const std::string& others) {
  std::vector<std::string> names;
  for (const int64_t layer : streams_of(setting)) names.push_back(layer_component(layer));
  Figure map = start(setting, fmt::format("alignment-layers-{}", model),
                     fmt::format("CKA of the adapted model's layers with {}", others));
  map.kind = Figure::Kind::heat_map;
  map.where.push_back({"model", {model}});
  map.where.push_back({"component", names});
  map.x_title = "layer of the adapted model";
  map.y = "component";
  map.y_title = "the other layer";
  return map;
}

// "0.912 (0.880 to 0.944)"
std::string with_interval(const Row& row) {
  if (std::isnan(row.low)) return fmt::format("{:.3f}", row.value);
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", row.value, row.low, row.high);
}

const Row* row_of(const std::vector<Row>& rows, const std::string& model, const std::string& variant, int64_t layer,
                  const std::string& module, const std::string& component) {
  RowKey key;
  key.model = model;
  key.variant = variant;
  key.layer = layer;
  key.module = module;
  key.component = component;
  key.metric = "cka";
  return find_row(rows, key);
}

// curve: rows of all streams, in order; at least 2.
std::string residual_sentence(const std::vector<const Row*>& curve) {
  const auto value = [](const Row* row) { return row->value; };
  const auto parted = std::ranges::find_if(curve, [](const Row* row) { return row->value < alike; });
  if (parted == curve.end()) {
    const Row& lowest = **std::ranges::min_element(curve, {}, value);
    return fmt::format(
        "Adapted and frozen residual streams stay alike (CKA of clip means at least {}) in all layers; "
        "the lowest is {} in layer {}.",
        alike, with_interval(lowest), *lowest.key.layer);
  }
  size_t most = 1;  // index of the largest drop
  const auto drop = [&](size_t i) { return curve[i - 1]->value - curve[i]->value; };
  for (size_t i = 1; i < curve.size(); ++i)
    if (drop(i) > drop(most)) most = i;
  return fmt::format(
      "Adapted and frozen residual streams diverge in layer {}: after it their CKA (clip means) is {}, the first "
      "value below {}; after the last layer it is {}. The largest single drop, {:.3f}, is in layer {}.",
      *(*parted)->key.layer, with_interval(**parted), alike, with_interval(*curve.back()), drop(most),
      *curve[most]->key.layer);
}

// "adapted 0.931, with random B 0.880 (above their range in 5, below it in 0 of 6 layers)", or nothing.
std::string against_random(const Setting& setting, const std::string& model, const std::string& module,
                           const std::string& component, const std::vector<Row>& rows) {
  double value = 0, random = 0;
  int64_t layers = 0, above = 0, below = 0;
  for (const Place& place : setting.adapted) {
    if (name_of(place.module) != module) continue;
    const Row* row = row_of(rows, model, alignment_variant(false, "balanced", false), place.layer, module, component);
    const Row* null = row_of(rows, model, alignment_variant(false, "balanced", true), place.layer, module, component);
    if (!row || !null) continue;
    ++layers;
    value += row->value;
    random += null->value;
    above += row->value > (std::isnan(null->high) ? null->value : null->high);
    below += row->value < (std::isnan(null->low) ? null->value : null->low);
  }
  if (layers == 0) return "";
  const auto count = static_cast<double>(layers);
  return fmt::format("{} {:.3f}, with random B {:.3f} (above their range in {}, below it in {} of {} layers)", model,
                     value / count, random / count, above, below, layers);
}

}  // namespace

std::string alignment_variant(bool frames, const std::string& gauge, bool random) {
  std::string variant = frames ? "frames" : "";
  for (const std::string& word : {gauge, std::string(random ? "random-B" : "")})
    if (!word.empty()) variant += (variant.empty() ? "" : "-") + word;
  return variant;
}

std::string layer_component(int64_t layer) { return fmt::format("layer {}", layer); }

int64_t layer_of_component(const std::string& component) {
  return component.starts_with("layer ") ? std::stoll(component.substr(6)) : -2;
}

std::vector<int64_t> streams_of(const Setting& setting) {
  std::vector<int64_t> layers;
  for (int64_t l = -1; l < setting.layers; ++l) layers.push_back(l);
  return layers;
}

std::vector<Figure> alignment_figures(const Setting& setting, const std::set<std::string>& modules) {
  std::vector<Figure> figures;
  using Components = std::vector<std::string>;
  const bool several = modules.size() > 1;
  if (!modules.empty())
    for (const auto& of : several ? std::vector<Components>{{"forward"}, {"gradient"}}
                                  : std::vector<Components>{{"forward", "gradient"}})
      for (const auto& [frames, gauge] :
           {std::pair{false, ""}, std::pair{false, "balanced"}, std::pair{true, "balanced"}})
        figures.push_back(figure_of(setting, of, several, frames, gauge));
  Figure curve = start(setting, "alignment-adapted-frozen", "Residual streams of the adapted and the frozen model");
  curve.where.push_back({"component", {"residual"}});
  curve.color = "variant";
  figures.push_back(curve);
  figures.push_back(map_of(setting, "adapted-frozen", "those of the frozen model"));
  figures.push_back(map_of(setting, "adapted", "each other"));
  return figures;
}

std::vector<std::string> alignment_reading(const Setting& setting, const std::set<std::string>& modules,
                                           const std::vector<Row>& rows) {
  std::vector<std::string> reading;
  std::vector<const Row*> curve;
  for (const int64_t layer : streams_of(setting))
    if (const Row* row = row_of(rows, "adapted-frozen", "", layer, "", "residual")) curve.push_back(row);
  if (curve.size() > 1) reading.push_back(residual_sentence(curve));
  for (const std::string& module : modules)
    for (const auto& [component, words] :
         {std::pair{"forward", "A x with B A x"}, std::pair{"gradient", "the gradients at A x and at B A x"}}) {
      std::string text = against_random(setting, "adapted", module, component, rows);
      const std::string untrained = against_random(setting, "untrained", module, component, rows);
      if (!text.empty() && !untrained.empty()) text += "; ";
      text += untrained;
      if (!text.empty())
        reading.push_back(fmt::format("{}: CKA of {}, balanced gauge, mean over layers: {}.", module, words, text));
    }
  return reading;
}

}  // namespace loralens
