// SPDX-License-Identifier: Apache-2.0
#include "analysis/gradients/words.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <set>

#include "analysis/curves.h"

namespace loralens {
namespace {

// "grows 28-fold on its way back, from the last layer to the first", or the like. row: of log10(last over first).
std::string change_of(const Row& row) {
  if (!(row.low > 0 || row.high < 0)) {
    const std::string times =
        fmt::format("{:.3g} times as large in the first layer as in the last", std::pow(10, -row.value));
    return std::isnan(row.low)
               ? "is " + times
               : fmt::format("is {}; whether it grows or shrinks on its way back cannot be told", times);
  }
  const double factor = std::pow(10, std::abs(row.value));
  return row.value < 0 ? fmt::format("grows {:.3g}-fold on its way back from the last layer to the first", factor)
                       : fmt::format("shrinks to 1/{:.3g} on its way back from the last layer to the first", factor);
}

std::vector<std::string> reading_of(const std::vector<Row>& rows) {
  std::vector<std::string> sentences;
  for (const std::string component : {"A", "B", "activations"}) {
    std::set<std::string> modules;
    for (const Row& row : rows)
      if (row.key.component == component) modules.insert(row.key.module);
    for (const std::string& module : modules) {
      const auto flow = [&](const char* model, const char* variant, const char* metric) {
        return find_row(
            rows, {.model = model, .variant = variant, .module = module, .component = component, .metric = metric});
      };
      const auto ratio = [&](const char* model, const char* variant) {
        const Row* row = flow(model, variant, "log10_last_over_first");
        return row ? fmt::format("{:.3g}", std::pow(10, -row->value)) : "-";
      };
      const Row* after = flow("adapted", "", "log10_last_over_first");
      if (!after) continue;
      std::string text = fmt::format(
          "The gradient of {}{} {} (geometric mean over clips). First over last layer: {} after training, {} for a "
          "random direction at the logits, {} before training.",
          component == "activations" ? "the residual stream" : component, module.empty() ? "" : " in " + module,
          change_of(*after), ratio("adapted", ""), ratio("adapted", "random-cotangent"), ratio("untrained", ""));
      if (const Row* scaled = flow("adapted", "", "log10_last_over_first_scaled"))
        text += fmt::format(" Times the norm of the stream itself it {}.", change_of(*scaled));
      sentences.push_back(text);
    }
  }
  return sentences;
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
      Figure f = figure(name + suffix, title, y);
      f.where.push_back({"metric", {metric}});
      f.where.push_back({"module", {module}});
      f.where.push_back({"variant", {""}});
      figures.push_back(f);
    }
  }
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
