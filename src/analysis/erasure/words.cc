// SPDX-License-Identifier: Apache-2.0
#include "analysis/erasure/words.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

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

// The rows of one model.
class ModelRows {
 public:
  ModelRows(const std::vector<Row>& rows, std::string model, int64_t layers)
      : rows_(rows), model_(std::move(model)), layers_(layers) {}

  const Row* find(const char* component, const char* metric, std::optional<int64_t> layer,
                  const char* variant = "") const {
    return find_row(rows_,
                    {.model = model_, .variant = variant, .layer = layer, .component = component, .metric = metric});
  }

  // The layer whose component costs the most accuracy under zero ablation; nullptr if none was ablated.
  const Row* worst(const char* component) const {
    const Row* worst = nullptr;
    for (int64_t l = 0; l < layers_; ++l)
      if (const Row* row = find(component, "accuracy_drop", l); row && (!worst || row->value > worst->value))
        worst = row;
    return worst;
  }

  // The number of layers that can be removed from one end while 90 % of the accuracy remains. Only if they were.
  int64_t dispensable(const char* component, double accuracy) const {
    int64_t kept = 0;
    while (kept < layers_ && find(component, "accuracy", kept + 1)->value >= 0.9 * accuracy) ++kept;
    return kept;
  }

 private:
  const std::vector<Row>& rows_;
  std::string model_;
  int64_t layers_;
};

// "+0.500 (95 % interval +0.412 to +0.588; mean ablation +0.458) without layer 0"
std::string drop_words(const ModelRows& rows, const char* component, const char* name) {
  const Row* worst = rows.worst(component);
  if (!worst) return "";
  std::string details;
  if (has_interval(*worst)) details = fmt::format("95 % interval {:+.3f} to {:+.3f}", worst->low, worst->high);
  if (const Row* mean = rows.find(component, "accuracy_drop", worst->key.layer, "mean-ablation"))
    details += fmt::format("{}mean ablation {:+.3f}", details.empty() ? "" : "; ", mean->value);
  return fmt::format("{:+.3f}{} without {} {}{}", worst->value, details.empty() ? "" : " (" + details + ")", name,
                     *worst->key.layer,
                     has_interval(*worst) && !differs_from_zero(*worst) ? ", whose sign cannot be told" : "");
}

std::vector<std::string> reading_of(int64_t layers, const std::vector<Row>& rows) {
  std::vector<std::string> sentences;
  for (const std::string model : {"adapted", "frozen"}) {
    const ModelRows of(rows, model, layers);
    const Row* whole = of.find("none", "accuracy", {});
    if (!whole) continue;
    const char* name = model == "adapted" ? "Adapted" : "Frozen";
    std::string drops;
    for (const auto& [component, part] :
         {std::pair{"layer", "layer"}, {"attention", "the attention of layer"}, {"mlp", "the MLP of layer"}})
      if (const std::string words = drop_words(of, component, part); !words.empty())
        drops += (drops.empty() ? "" : ", ") + words;
    if (!drops.empty())
      sentences.push_back(
          fmt::format("{}: of accuracy {:.3f}, zero ablation costs at most {}.", name, whole->value, drops));
    std::string ends;
    for (const auto& [component, side] : {std::pair{"first-k", "lowest"}, {"last-k", "highest"}})
      if (of.find(component, "accuracy", 0))
        ends += fmt::format("{}without the {} {}", ends.empty() ? "" : ", or ", of.dispensable(component, whole->value),
                            side);
    if (!ends.empty())
      sentences.push_back(
          fmt::format("{}: at least 90 % of the accuracy remains {} of {} layers.", name, ends, layers));
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
