// SPDX-License-Identifier: Apache-2.0
#include "analysis/erasure/words.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/curves.h"
#include "analysis/interval_words.h"

namespace loralens {
namespace {

std::vector<Figure> figures_of(const std::vector<Row>& rows) {
  const bool several = std::ranges::any_of(rows, [](const Row& row) { return row.key.model != "adapted"; });
  const auto curve = [&](const std::string& name, const std::string& title, const std::string& y) {
    Figure figure{.name = name, .title = title, .y_title = y, .color = "variant"};
    if (several) figure.dash = "model";
    figure.facet = "component";
    return figure;
  };
  std::vector<Figure> figures;
  Figure drop = curve("erasure-accuracy-drop", "Accuracy lost without one component", "accuracy lost");
  drop.where.push_back({"metric", {"accuracy_drop"}});
  drop.where.push_back({"model", {"adapted", "frozen"}});
  figures.push_back(drop);
  Figure score = curve("erasure-score", "Published score of each layer", "score");
  score.where.push_back({"metric", {"score"}});
  score.where.push_back({"component", {"layer"}});
  score.where.push_back({"model", {"adapted", "frozen"}});
  figures.push_back(score);
  Figure levels = curve("erasure-progressive", "Accuracy with several layers removed", "accuracy");
  levels.x_title = "layers removed";
  levels.where.push_back({"metric", {"accuracy"}});
  levels.where.push_back({"component", {"first-k", "last-k"}});
  levels.where.push_back({"model", {"adapted", "frozen"}});
  figures.push_back(levels);
  return figures;
}

std::vector<std::string> reading_of(int64_t layers, const std::vector<Row>& rows) {
  std::vector<std::string> sentences;
  for (const std::string model : {"adapted", "frozen"}) {
    const auto find = [&](const char* component, const char* metric, std::optional<int64_t> layer,
                          const char* variant) {
      return find_row(rows,
                      {.model = model, .variant = variant, .layer = layer, .component = component, .metric = metric});
    };
    const Row* whole = find("none", "accuracy", {}, "");
    if (!whole) continue;
    const std::string name = model == "adapted" ? "Adapted" : "Frozen";
    for (const char* component : {"layer", "attention", "mlp"}) {
      const Row* worst = nullptr;
      for (int64_t l = 0; l < layers; ++l)
        if (const Row* row = find(component, "accuracy_drop", l, ""); row && (!worst || row->value > worst->value))
          worst = row;
      if (!worst) continue;
      std::string text = fmt::format("{}: of accuracy {:.3f}, {:+.3f}{} is lost without {} {}", name, whole->value,
                                     worst->value, interval_words(*worst, true),
                                     std::string_view(component) == "layer" ? "layer"
                                     : std::string_view(component) == "mlp" ? "the MLP of layer"
                                                                            : "the attention of layer",
                                     *worst->key.layer);
      if (const Row* mean = find(component, "accuracy_drop", worst->key.layer, "mean-ablation"))
        text += fmt::format(" ({:+.3f} under mean ablation)", mean->value);
      text += ", the largest drop of all layers.";
      if (has_interval(*worst) && !differs_from_zero(*worst))
        text += " The interval includes 0: whether accuracy is lost cannot be told.";
      sentences.push_back(text);
    }
    for (const auto& [component, side] : {std::pair{"first-k", "lowest"}, std::pair{"last-k", "highest"}}) {
      if (!find(component, "accuracy", 0, "")) continue;
      int64_t kept = 0;
      while (kept < layers && find(component, "accuracy", kept + 1, "")->value >= 0.9 * whole->value) ++kept;
      sentences.push_back(
          fmt::format("{}: the {} {} of {} layers can be removed together while at least 90 % of the accuracy remains.",
                      name, kept, side, layers));
    }
  }
  return sentences;
}

}  // namespace

void describe_erasure(int64_t layers, Findings& findings) {
  findings.measures =
      "Accuracy and confidence lost when the output of a layer, of its attention or of its MLP is replaced by "
      "zero, by its mean, or by its value at a random training position.";
  findings.source = "arXiv 2509.08454, layer erasure; mean and resample ablation as in causal scrubbing";
  findings.caveat =
      "Zero ablation moves the residual stream out of its distribution, so a drop may come from this shift rather "
      "than from the layer's function; mean and resample ablation stay closer to the distribution. Other layers "
      "can compensate for the missing one within the same pass, so a small drop does not mean that a layer does "
      "nothing. The interval of the largest drop is not adjusted for the choice among the layers. As published, a rise "
      "in loss lowers the score.";
  if (findings.rows.empty()) return;
  findings.figures = figures_of(findings.rows);
  findings.reading = reading_of(layers, findings.rows);
}

}  // namespace loralens
