// SPDX-License-Identifier: Apache-2.0
#include "analysis/gradients/words.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <set>

#include "analysis/curves.h"

namespace loralens {
namespace {

std::vector<std::string> reading_of(const std::vector<Row>& rows) {
  std::vector<std::string> sentences;
  for (const std::string component : {"A", "B", "activations"}) {
    std::set<std::string> modules;
    for (const Row& row : rows)
      if (row.key.component == component) modules.insert(row.key.module);
    std::string text;
    for (const std::string& module : modules) {
      const auto ratio = [&](const char* model, const char* variant) {
        const Row* row = find_row(rows, {.model = model,
                                         .variant = variant,
                                         .module = module,
                                         .component = component,
                                         .metric = "log10_last_over_first"});
        return row ? std::pow(10, row->value) : NAN;
      };
      const double after = ratio("adapted", ""), before = ratio("untrained", ""),
                   null = ratio("adapted", "random-cotangent");
      if (std::isnan(after + before + null)) continue;
      text += text.empty() ? fmt::format(
                                 "{:.3g} times that in the first after training, {:.3g} times before, and "
                                 "{:.3g} times for "
                                 "a random direction at the logits",
                                 after, before, null)
                           : fmt::format("; {:.3g}, {:.3g} and {:.3g} times", after, before, null);
      if (!module.empty()) text += " in " + module;
    }
    if (!text.empty())
      sentences.push_back(fmt::format("The gradient of {} in the last layer is {} (geometric means over clips).",
                                      component == "activations" ? "the residual stream" : component, text));
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
  for (const auto& [layer, module] : setting.adapted) modules.insert(std::string(name_of(module)));
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
      "A gradient can be small because the clip is well fitted or because the gradient vanishes in "
      "backpropagation: the norm over the error and the random direction separate the two causes. The gradients of "
      "A and B depend on the gauge.";
  if (findings.rows.empty()) return;
  findings.figures = figures_of(setting);
  findings.reading = reading_of(findings.rows);
}

}  // namespace loralens
