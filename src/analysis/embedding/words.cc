// SPDX-License-Identifier: Apache-2.0
#include "analysis/embedding/words.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "analysis/curves.h"
#include "base/error.h"

namespace loralens {
namespace {

// The layer of the largest value of a metric, or nullptr if there is none.
const Row* best_layer(const Setting& setting, const std::vector<Row>& rows, EmbeddingSpace space,
                      const std::string& metric) {
  const Row* best = nullptr;
  for (space.layer = 0; space.layer < setting.layers; ++space.layer)
    if (const Row* row = find_row(rows, space.key(metric)); row && (!best || row->value > best->value)) best = row;
  return best;
}

std::string emotion_sentence(const Setting& setting, const std::vector<Row>& rows, EmbeddingSpace space) {
  const std::string place = space.is_adapter() ? "in" : "after";
  const Row* best = best_layer(setting, rows, space, "silhouette_emotion");
  if (!best) return "";
  space.layer = *best->key.layer;
  std::string text = fmt::format("In {} emotions separate best {} layer {}: silhouette {:.3f}", space.text(), place,
                                 space.layer, best->value);
  const Row* precision = find_row(rows, space.key("r_precision_emotion"));
  const Row* chance = find_row(rows, space.key("r_precision_emotion_chance"));
  if (precision && chance)
    text += fmt::format(", and {:.0f} % of a clip's nearest neighbours have its emotion ({:.0f} % by chance)",
                        100 * precision->value, 100 * chance->value);
  space.role = space.is_adapter() ? Role::untrained : Role::frozen;
  if (const Row* other = best_layer(setting, rows, space, "silhouette_emotion"))
    text +=
        fmt::format("; {} at best {:.3f} ({} layer {})", name_of(space.role), other->value, place, *other->key.layer);
  return text + ".";
}

std::string speaker_sentence(const Setting& setting, const std::vector<Row>& rows) {
  const EmbeddingSpace adapted{Role::adapted, Module::none, setting.layers - 1};
  EmbeddingSpace frozen = adapted;
  frozen.role = Role::frozen;
  const Row* after = find_row(rows, adapted.key("r_precision_speaker"));
  const Row* before = find_row(rows, frozen.key("r_precision_speaker"));
  const Row* chance = find_row(rows, adapted.key("r_precision_speaker_chance"));
  if (!after || !before || !chance) return "";
  const bool less = after->high<before->low, more = after->low> before->high;
  const std::string verdict = less   ? "adaptation makes speakers less separable"
                              : more ? "adaptation makes speakers more separable"
                                     : "whether adaptation changes that cannot be told";
  return fmt::format(
      "After the last layer {:.0f} % of a clip's nearest neighbours are of its speaker when adapted, {:.0f} % when "
      "frozen, {:.0f} % by chance: {}.",
      100 * after->value, 100 * before->value, 100 * chance->value, verdict);
}

Figure scatter_of(const EmbeddingSpace& space) {
  const std::string model(name_of(space.role));
  Figure figure{.name = "embedding-residual-" + model,
                .title = "t-SNE of the residual stream after the layer, " + model,
                .kind = Figure::Kind::scatter};
  if (space.is_adapter()) {
    figure.name = "embedding-A";
    figure.title = fmt::format("t-SNE of A x on {}", name_of(space.module));
  }
  figure.x_title = "first axis";
  figure.y_title = "second axis";
  figure.color = "label";
  figure.facet = "panel";
  return figure;
}

}  // namespace

RowKey EmbeddingSpace::key(const std::string& metric) const {
  return {.model = std::string(name_of(role)),
          .layer = layer,
          .module = is_adapter() ? std::string(name_of(module)) : "",
          .component = is_adapter() ? "A" : "residual",
          .metric = metric};
}

std::vector<std::string> embedding_reading(const Setting& setting, Module module, const std::vector<Row>& rows) {
  std::vector<std::string> sentences = {emotion_sentence(setting, rows, {Role::adapted, Module::none, 0})};
  if (module != Module::none) sentences.push_back(emotion_sentence(setting, rows, {Role::adapted, module, 0}));
  sentences.push_back(speaker_sentence(setting, rows));
  std::erase(sentences, "");
  return sentences;
}

void add_pictures(const Setting& setting, const EmbeddingPicture& picture, Module placed, Findings& findings) {
  std::map<std::string, Figure> figures;  // by name
  const at::Tensor* place = nullptr;
  for (const auto& [space, plane] : picture.planes) {
    const std::string folder = space.is_adapter() ? "" : fmt::format("{}/residual/", name_of(space.role));
    findings.arrays.push_back({fmt::format("tsne/{}layer-{}", folder, space.layer), plane});
    Figure figure = scatter_of(space);
    Figure& known = figures.try_emplace(figure.name, std::move(figure)).first->second;
    for (size_t i = 0; i < picture.clips.size(); ++i) {
      const Clip& clip = setting.clips->clips[picture.clips[i]];
      const double* at = plane.const_data_ptr<double>() + 2 * i;
      known.points.push_back({at[0], at[1], fmt::format("layer {}", space.layer), clip.label, clip.speaker, clip.id});
    }
    if (space.role == Role::adapted && space.module == placed) place = &plane;  // layers ascend
  }
  for (auto& [name, figure] : figures) findings.figures.push_back(std::move(figure));
  if (!place) return;
  findings.arrays.push_back({"tsne/clips", at::tensor(picture.clips, c10::ScalarType::Long)});  // numbers in the table
  for (size_t i = 0; i < picture.clips.size(); ++i)
    findings.clips.push_back({picture.clips[i], "place", (*place)[static_cast<int64_t>(i)]});
}

void add_curves(const Setting& setting, Findings& findings) {
  const auto add = [&](const std::string& name, const std::string& title, const std::string& y,
                       std::vector<std::string> metrics) {
    if (std::ranges::none_of(findings.rows, [&](const Row& row) { return row.key.metric == metrics[0]; })) return;
    Figure figure{.name = name, .title = title};
    figure.y_title = y;
    if (metrics.size() > 1) figure.dash = "metric";
    figure.facet = "component";
    figure.where = {{"metric", std::move(metrics)}, {"variant", {""}}};
    findings.figures.push_back(figure);
  };
  add("embedding-silhouette-emotion", "How well emotions separate", "silhouette", {"silhouette_emotion"});
  add("embedding-silhouette-speaker", "How well speakers separate", "silhouette", {"silhouette_speaker"});
  add("embedding-r-precision-emotion", "Nearest clips of the same emotion", "R-precision",
      {"r_precision_emotion", "r_precision_emotion_chance"});
  add("embedding-r-precision-speaker", "Nearest clips of the same speaker", "R-precision",
      {"r_precision_speaker", "r_precision_speaker_chance"});
}

}  // namespace loralens
