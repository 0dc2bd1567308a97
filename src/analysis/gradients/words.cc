// SPDX-License-Identifier: Apache-2.0
#include "analysis/gradients/words.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <map>
#include <set>

#include "analysis/curves.h"
#include "analysis/words/module_words.h"

namespace loralens {
namespace {

const Row* flow_of(const std::vector<Row>& rows, const char* model, const char* variant, const std::string& module,
                   const std::string& component, const char* metric = "log10_last_over_first") {
  return find_row(rows,
                  {.model = model, .variant = variant, .module = module, .component = component, .metric = metric});
}

// "28", the norm in the first layer over that in the last. row: of log10(last over first), or none.
std::string ratio_of(const Row* row) { return row ? fmt::format("{:.3g}", std::pow(10, -row->value)) : "-"; }

bool has_direction(const Row& row) { return row.low > 0 || row.high < 0; }

// "grows 28-fold on its way back, from the last layer to the first", or the like.
std::string change_of(const Row& row) {
  if (!has_direction(row))
    return fmt::format(
        "is {} times as large in the first layer as in the last, and whether it grows or shrinks on its way back "
        "cannot be told",
        ratio_of(&row));
  const double factor = std::pow(10, std::abs(row.value));
  return row.value < 0 ? fmt::format("grows {:.3g}-fold on its way back from the last layer to the first", factor)
                       : fmt::format("shrinks to 1/{:.3g} on its way back from the last layer to the first", factor);
}

std::string stream_sentence(const std::vector<Row>& rows) {
  const std::string component = "activations";
  const Row* after = flow_of(rows, "adapted", "", "", component);
  if (!after) return "";
  std::string text = fmt::format(
      "The gradient of the residual stream {} (geometric mean over clips). First over last layer: {} after training, "
      "{} for a random direction at the logits",
      change_of(*after), ratio_of(after), ratio_of(flow_of(rows, "adapted", "random-cotangent", "", component)));
  if (const Row* before = flow_of(rows, "untrained", "", "", component))
    text += fmt::format(", {} before training", ratio_of(before));
  text += ".";
  if (const Row* scaled = flow_of(rows, "adapted", "", "", component, "log10_last_over_first_scaled"))
    text += fmt::format(" Times the norm of the stream itself it {}.", change_of(*scaled));
  return text;
}

// The gradient of A or B, first over last layer, of all modules.
std::string factor_sentence(const std::vector<Row>& rows, const std::string& component) {
  std::map<std::string, double> ratios;
  int64_t grow = 0, shrink = 0;
  for (const Row& row : rows) {
    if (row.key.component != component || ratios.contains(row.key.module)) continue;
    const Row* flow = flow_of(rows, "adapted", "", row.key.module, component);
    if (!flow) continue;
    ratios[row.key.module] = std::pow(10, -flow->value);
    grow += has_direction(*flow) && flow->value < 0;
    shrink += has_direction(*flow) && flow->value > 0;
  }
  if (ratios.empty()) return "";
  return fmt::format(
      "The gradient of {}, first layer over last: {}. It grows on its way back in {} of {} modules and shrinks in {}; "
      "of the others it cannot be told.",
      component, range_words(ratios, 2), grow, ratios.size(), shrink);
}

std::vector<std::string> reading_of(const std::vector<Row>& rows) {
  std::vector<std::string> sentences = {stream_sentence(rows), factor_sentence(rows, "A"), factor_sentence(rows, "B")};
  std::erase(sentences, "");
  return sentences;
}

// Layer by module, a panel for each factor.
Figure map_of_modules() {
  Figure map =
      module_map("gradients-map", "Gradient of the loss at A and B, over the error at the logits", "component");
  map.where = {{"metric", {"norm_over_error"}}, {"component", {"A", "B"}}, {"model", {"adapted"}}, {"variant", {""}}};
  return map;
}

std::vector<Figure> figures_of(const Setting& setting) {
  std::vector<Figure> figures;
  const auto figure = [&](const std::string& name, const std::string& title, const std::string& y) {
    Figure f{.name = name, .title = title, .y_title = y};
    f.facet = "component";
    return f;
  };
  std::set<std::string> modules = {""};
  for (const Place& place : setting.adapted) modules.insert(std::string(name_of(place.module)));
  for (const std::string& module : modules) {
    const std::string suffix = module.empty() ? "-residual-stream" : modules.size() > 2 ? "-" + module : "-adapters";
    for (const auto& [metric, name, title, y] : {std::array{"norm", "gradients-norm", "Gradient of the loss", "norm"},
                                                 std::array{"norm_over_error", "gradients-norm-over-error",
                                                            "Gradient of the loss over the error at the "
                                                            "logits",
                                                            "norm / ‖p − y‖"}}) {
      Figure f = figure(name + suffix, fmt::format("{}: {}", title, module.empty() ? "residual stream" : module), y);
      f.where.push_back({"metric", {metric}});
      f.where.push_back({"module", {module}});
      f.where.push_back({"variant", {""}});
      figures.push_back(f);
    }
  }
  if (modules.size() > 2) figures.insert(figures.begin() + 2, map_of_modules());  // after those of the stream
  return figures;
}

}  // namespace

void describe_gradients(const Setting& setting, Findings& findings) {
  findings.measures =
      "The norm of the loss's gradient with respect to A and B and the residual stream, per clip, plain and "
      "divided by the error ‖p − y‖ at the logits.";
  findings.source =
      "arXiv 2509.08454 looks at gradients through spectra and CKA only; norms as in Glorot and Bengio, "
      "2010";
  findings.caveat =
      "A gradient can be small because the clip is well fitted or because it shrinks in backpropagation: the norm over "
      "the error and the random direction separate the two causes. The gradient of the residual stream depends on the "
      "growth of the stream, scaled_norm does not. The gradients of A and B depend on the gauge.";
  if (findings.rows.empty()) return;
  findings.figures = figures_of(setting);
  findings.reading = reading_of(findings.rows);
}

}  // namespace loralens
