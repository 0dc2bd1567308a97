// SPDX-License-Identifier: Apache-2.0
#include "analysis/alignment/words.h"

#include <algorithm>
#include <utility>

#include "analysis/curves.h"
#include "analysis/words/module_words.h"
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
  const std::string variant = alignment_variant(frames, gauge);
  const std::string words = of.size() > 1        ? "A x with B A x, and their gradients"
                            : of[0] == "forward" ? "A x with B A x"
                                                 : "Gradients at A x and at B A x";
  Figure figure = start(
      setting, fmt::format("alignment{}{}{}", of.size() > 1 ? "" : "-" + of[0], variant.empty() ? "" : "-", variant),
      fmt::format("{}: {}{}", words, gauge.empty() ? "as trained" : "balanced gauge", frames ? ", frames" : ""));
  figure.where.front() = {"metric", {"cka", "cka_chance"}};
  figure.where.push_back({"variant", {variant}});
  figure.where.push_back({"component", of});
  figure.dash = "metric";
  figure.facet = several ? "module" : "component";
  return figure;
}

Figure efficiency_figure(const std::set<std::string>& modules) {
  Figure figure{.name = "alignment-efficiency",
                .title = "Alignment of ΔW with its input (forward) and with the loss's gradient (backward)"};
  figure.y_title = "efficiency (0: random, 1: best)";
  figure.where = {{"metric", {"efficiency"}}, {"module", {modules.begin(), modules.end()}}};
  figure.color = "component";
  figure.facet = "module";
  return figure;
}

// Layer by module, a panel each for activations and gradients.
Figure map_of_modules() {
  Figure map = module_map("alignment-map", "A x with B A x, and their gradients: balanced gauge", "component");
  map.where = {{"metric", {"cka"}},
               {"model", {"adapted"}},
               {"variant", {alignment_variant(false, "balanced")}},
               {"component", {"forward", "gradient"}}};
  return map;
}

Figure map_of(const Setting& setting, const std::string& model, const std::string& others) {
  std::vector<std::string> names;
  for (const int64_t layer : streams_of(setting)) names.push_back(layer_component(layer));
  Figure map = start(setting, fmt::format("alignment-layers-{}", model),
                     fmt::format("CKA of the adapted model's layers with {} (frames)", others));
  map.kind = Figure::Kind::heat_map;
  map.where.push_back({"model", {model}});
  map.where.push_back({"component", names});
  map.x_title = "layer of the adapted model";
  map.y = "component";
  map.y_title = model == "adapted" ? "layer of the adapted model" : "layer of the frozen model";
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

constexpr double level = 0.05;

// Places (layers and modules) of one component beside a null distribution: means over places, and the number of places
// above the null.
struct AgainstRandom {
  double value = 0, random = 0;
  int64_t places = 0, above = 0;

  // "in 2 of 18 places (adjusted p < 0.05; mean 0.931, of random updates 0.880)"
  std::string text() const {
    return fmt::format("in {} of {} places (adjusted p < {}; mean {:.3f}, of random updates {:.3f})", above, places,
                       level, value / static_cast<double>(places), random / static_cast<double>(places));
  }
};

// variant: of the null.
AgainstRandom against_random(const Setting& setting, const std::string& model, const std::string& variant,
                             const std::string& component, const std::vector<Row>& rows) {
  AgainstRandom found;
  for (const Place& place : setting.adapted) {
    const Row* row = row_of(rows, model, variant, place.layer, std::string(name_of(place.module)), component);
    if (!row || row->null_draws == 0) continue;
    RowKey key = row->key;
    key.metric = "cka_chance";
    const Row* chance = find_row(rows, key);
    if (!chance) continue;
    ++found.places;
    found.value += row->value;
    found.random += chance->value;
    found.above += row->p_adjusted < level;
  }
  return found;
}

std::vector<std::string> null_reading(const Setting& setting, const std::vector<Row>& rows) {
  std::vector<std::string> reading;
  const std::string balanced = alignment_variant(false, "balanced");
  for (const auto& [component, words] :
       {std::pair{"forward", "A x with B A x"}, std::pair{"gradient", "the gradients at A x and at B A x"}}) {
    const auto against = [&](const char* model, const std::string& variant) {
      return against_random(setting, model, variant, component, rows);
    };
    const AgainstRandom adapted = against("adapted", balanced), by_input = against("adapted", input_null_variant),
                        untrained = against("untrained", balanced);
    if (adapted.places == 0) continue;
    std::string text =
        fmt::format("CKA of {} (balanced gauge) is above random updates with the same singular values {}{}.", words,
                    adapted.text(), adapted.above == 0 ? ": an effect of training cannot be told" : "");
    if (by_input.places > 0)
      text += fmt::format(" If random V is drawn from the covariance of the input: {}.", by_input.text());
    if (untrained.places > 0) text += fmt::format(" Never trained adapters: {}.", untrained.text());
    reading.push_back(text);
  }
  return reading;
}

// The conclusion that the prespecified contrast allows.
std::string verdict_of(const Row& contrast, const Row* backward) {
  if (std::isnan(contrast.low))
    return fmt::format("whether the two differ cannot be told without an interval{}{}",
                       contrast.without_interval.empty() ? "" : ": ", contrast.without_interval);
  if (contrast.low <= 0 && contrast.high >= 0) return "the interval holds 0, so whether the two differ cannot be told";
  if (contrast.high < 0) return "the update is aligned less with its input than with the gradient";
  const bool below = backward && backward->p < level && backward->value < backward->null_low;
  return below
             ? "the update reads from strong input directions and avoids those that the loss is sensitive to: forward "
               "alignment with backward differentiation"
             : "the update is aligned more with its input than with the gradient, but its alignment with the gradient "
               "is not below that of random directions, so this is no backward differentiation";
}

std::string contrast_sentence(const std::vector<Row>& rows) {
  const auto mean = [&](const char* component, const char* metric) {
    return find_row(rows, {.model = "adapted", .component = component, .metric = metric});
  };
  const Row *forward = mean("forward", "efficiency"), *backward = mean("backward", "efficiency"),
            *contrast = mean("forward-backward", "efficiency");
  if (!forward || !backward || !contrast) return "";
  return fmt::format(
      "Alignment of ΔW, mean over places (0: random directions, 1: the best possible): {:.3f} with its input, {:.3f} "
      "with the gradient at its output; difference {}: {}.",
      forward->value, backward->value, with_interval(*contrast), verdict_of(*contrast, mean("backward", "strength")));
}

}  // namespace

std::string alignment_variant(bool frames, const std::string& gauge) {
  return frames && !gauge.empty() ? "frames-" + gauge : frames ? "frames" : gauge;
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
  if (!modules.empty()) figures.push_back(efficiency_figure(modules));
  if (several) figures.push_back(map_of_modules());
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

std::vector<std::string> alignment_reading(const Setting& setting, const std::vector<Row>& rows) {
  std::vector<std::string> reading;
  std::vector<const Row*> curve;
  for (const int64_t layer : streams_of(setting))
    if (const Row* row = row_of(rows, "adapted-frozen", "", layer, "", "residual")) curve.push_back(row);
  if (std::string sentence = contrast_sentence(rows); !sentence.empty()) reading.push_back(std::move(sentence));
  for (std::string& sentence : null_reading(setting, rows)) reading.push_back(std::move(sentence));
  if (curve.size() > 1) reading.push_back(residual_sentence(curve));
  return reading;
}

}  // namespace loralens
