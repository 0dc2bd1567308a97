// SPDX-License-Identifier: Apache-2.0
#include "analysis/paths/words.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

const Row* effect(const Findings& findings, std::optional<int64_t> layer, const char* component,
                  const char* variant = "") {
  return find_row(
      findings.rows,
      {.model = "adapted-frozen", .variant = variant, .layer = layer, .component = component, .metric = "effect"});
}

// What can be told of the sign of a sum of effects.
const char* verdict(const Row& row) {
  if (!has_interval(row)) return "";
  if (!differs_from_zero(row)) return ", which cannot be told from 0";
  return row.value > 0 ? ", a gain" : ", a loss";
}

std::vector<std::string> reading_of(const Setting& setting, const Findings& findings) {
  std::vector<std::string> sentences;
  for (const auto& [variant, head] :
       {std::pair{"", ""}, std::pair{"head-refitted", "Under a head refitted to both models: "}}) {
    const Row *direct = effect(findings, {}, "direct", variant), *relayed = effect(findings, {}, "relayed", variant);
    if (!direct || !relayed) continue;
    sentences.push_back(fmt::format(
        "{}Each layer adapted alone, summed over layers: what the layers write straight to the head changes the "
        "log-probability of the true class by {} nats{}; what later, frozen layers make of it by {}{}.",
        head, signed_words(*direct), verdict(*direct), signed_words(*relayed), verdict(*relayed)));
  }
  const Row* largest = nullptr;
  for (int64_t layer = -1; layer < setting.layers; ++layer)
    if (const Row* total = effect(findings, layer, "total"); total && (!largest || total->value > largest->value))
      largest = total;
  if (!largest || largest->value <= 0) return sentences;
  const int64_t layer = *largest->key.layer;
  const Row *direct = effect(findings, layer, "direct"), *relayed = effect(findings, layer, "relayed");
  sentences.push_back(fmt::format(
      "Adapted alone, {} adds the most of all layers, {}: {} directly and {} through later layers (chosen after "
      "looking, so its interval is too narrow).",
      layer < 0 ? "the embedding" : fmt::format("layer {}", layer), signed_words(*largest), signed_words(*direct),
      signed_words(*relayed)));
  return sentences;
}

std::vector<Figure> figures_of(const std::vector<Row>& rows) {
  Figure curves{.name = "paths-effect", .title = "Effect of one adapted layer, directly and through later layers"};
  curves.y_title = "change of the log-probability in nats";
  curves.color = "component";
  curves.where = {{"metric", {"effect"}}, {"variant", {""}}, {"component", {"direct", "relayed", "total"}}};
  Figure map{.name = "paths-relays", .title = "Effect of one adapted layer through one later layer"};
  map.kind = Figure::Kind::heat_map;
  map.y = "component";
  map.y_title = "through";
  map.x_title = "adapted layer";
  std::vector<std::string> relays;
  for (const Row& row : rows)
    if (row.key.component.starts_with("via-") && std::ranges::find(relays, row.key.component) == relays.end())
      relays.push_back(row.key.component);
  if (relays.empty()) return {curves};
  map.where = {{"metric", {"effect"}}, {"variant", {""}}, {"component", std::move(relays)}};
  return {curves, map};
}

}  // namespace

void describe_paths(const Setting& setting, Findings& findings) {
  findings.measures =
      "What the adaptation of one layer changes in the log-probability of the true class: straight to the head, and "
      "through the later layers of the frozen model.";
  findings.source = "Goldowsky-Dill et al., 2023 (path patching)";
  findings.caveat =
      "Each layer is adapted alone in the frozen model, so effects of layers that work only together are not in it, "
      "and effects of different layers do not add up to that of the adaptation. The head and the final norm are not "
      "linear in log-probability: direct and relayed effects of one layer add up to its total by definition only.";
  if (findings.rows.empty()) return;
  findings.reading = reading_of(setting, findings);
  findings.figures = figures_of(findings.rows);
}

}  // namespace loralens
