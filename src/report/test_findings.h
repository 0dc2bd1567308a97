// SPDX-License-Identifier: Apache-2.0
// For tests: synthetic findings of the analyses of a run with six layers and four classes.
#pragma once

#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/random.h"
#include "report/write_findings.h"

namespace loralens {

constexpr int64_t synthetic_layers = 6;
inline const std::vector<std::string> synthetic_classes = {"anger", "happiness", "neutral", "sadness"};

inline Row synthetic_row(const std::string& model, int64_t layer, const std::string& component,
                         const std::string& metric, double value, double half_width, std::optional<int64_t> fold = {}) {
  Row row;
  row.key.model = model;
  row.key.layer = layer;
  row.key.component = component;
  row.key.metric = metric;
  row.fold = fold;
  row.value = value;
  row.low = value - half_width;
  row.high = value + half_width;
  row.n = fold ? 12 : 120;
  return row;
}

inline Figure synthetic_figure(const std::string& name, const std::string& title, Figure::Kind kind,
                               const std::string& y_title) {
  Figure figure;
  figure.name = name;
  figure.title = title;
  figure.kind = kind;
  figure.y_title = y_title;
  return figure;
}

inline Findings synthetic_contribution(Random& random) {
  Findings f;
  f.measures =
      "How large the output of attention, MLP and the whole layer is beside the residual stream that enters the layer.";
  f.source = "arXiv 2509.08454, layer contribution";
  f.caveat = "A large contribution need not be a useful one, and the stream's norm grows with depth.";
  f.reading = {"Synthetic: what attention adds goes from 0.412 to 0.538 of the stream's norm (mean over layers).",
               "Synthetic: it grows most in layers 4, 5, which hold 71 % of the total absolute change."};
  f.notes = {"Speech frames only; the mean of each clip, then over clips."};
  for (const char* component : {"attention", "mlp", "layer"})
    for (const char* model : {"adapted", "frozen", "untrained"})
      for (int64_t l = 0; l < synthetic_layers; ++l) {
        const double depth = static_cast<double>(l) / 5,
                     base = 0.3 + 0.25 * std::sin(2.2 * depth + (component[0] == 'm'));
        const double value =
            base + (std::string(model) == "adapted" ? 0.22 * depth * depth : 0.0) + 0.02 * random.normal();
        f.rows.push_back(synthetic_row(model, l, component, "relative_norm", value, 0.02 + 0.02 * depth));
        for (int64_t fold = 0; fold < 3; ++fold)
          f.rows.push_back(
              synthetic_row(model, l, component, "relative_norm", value + 0.02 * random.normal(), 0.05, fold));
      }
  Figure figure = synthetic_figure("contribution-relative-norm", "Size of each contribution", Figure::Kind::curve,
                                   "norm / norm of the stream");
  figure.facet = "component";
  f.figures = {figure};
  return f;
}

inline Findings synthetic_lens(Random& random) {
  Findings f;
  f.measures = "What the head would say if it read the residual stream of each layer.";
  f.source = "nostalgebraist, 2020";
  f.caveat = "The head was trained on the last layer alone: early layers may hold what it cannot read.";
  f.reading = {"Synthetic: accuracy passes 0.8 in layer 3 with the adapter on, and in layer 5 with it off."};
  for (const char* variant : {"", "tuned"})
    for (const char* model : {"adapted", "frozen"})
      for (int64_t l = -1; l < synthetic_layers; ++l) {
        const double rise =
            1 / (1 + std::exp(-(static_cast<double>(l) - (std::string(model) == "adapted" ? 2 : 3)) * 1.3));
        Row row = synthetic_row(
            model, l, "", "accuracy",
            0.25 + (variant[0] ? 0.6 : 0.65) * rise + (variant[0] ? 0.06 : 0.0) + 0.01 * random.normal(), 0.04);
        row.key.variant = variant;
        f.rows.push_back(row);
        row = synthetic_row(model, l, "", "entropy", 1.38 - 1.1 * rise, 0.03);
        row.key.variant = variant;
        f.rows.push_back(row);
      }
  for (const auto& name : synthetic_classes) {
    Row row = synthetic_row("adapted", 5, "layer", "recall", 0.7 + 0.25 * random.uniform(), 0.06);
    row.key.class_name = name;
    f.rows.push_back(row);
    row.key.model = "frozen";
    row.value -= 0.1, row.low -= 0.12, row.high -= 0.08;
    f.rows.push_back(row);
  }
  Figure curve =
      synthetic_figure("logit-lens-accuracy", "Accuracy of the head after each layer", Figure::Kind::curve, "accuracy");
  curve.where = {{"metric", {"accuracy", "entropy"}}};
  curve.facet = "metric";
  curve.dash = "variant";
  Figure one = synthetic_figure("logit-lens-plain", "The same without the tuned lens", Figure::Kind::curve, "accuracy");
  one.where = {{"metric", {"accuracy"}}, {"variant", {""}}};
  Figure bars =
      synthetic_figure("logit-lens-recall", "Recall of each class after the last layer", Figure::Kind::bars, "recall");
  bars.where = {{"metric", {"recall"}}};
  bars.x = "class";
  bars.x_title = "";
  f.figures = {curve, one, bars};
  f.arrays = {{"adapted/logits", at::arange(24, at::kFloat).reshape({6, 4})}, {"counts", at::arange(3, at::kLong)}};
  return f;
}

inline Findings synthetic_alignment() {
  Findings f;
  f.measures = "How similar the residual streams of two layers are (linear CKA, debiased).";
  f.source = "Kornblith et al., 2019";
  f.caveat = "CKA is dominated by directions of large variance.";
  f.reading = {"Synthetic: layers 0 to 3 stay within 0.9 of each other; layer 5 falls to 0.31."};
  for (const char* model : {"adapted", "frozen"})
    for (int64_t a = 0; a < synthetic_layers; ++a)
      for (int64_t b = 0; b < synthetic_layers; ++b) {
        Row row =
            synthetic_row(model, a, fmt::format("layer {}", b), "cka",
                          std::exp(-0.12 * static_cast<double>((a - b) * (a - b)) * (model[0] == 'a' ? 1.5 : 1.0)), 0);
        row.low = row.high = NAN;
        f.rows.push_back(row);
      }
  Figure map = synthetic_figure("alignment-layers", "Similarity of layers", Figure::Kind::heat_map, "the other layer");
  map.y = "component";
  map.facet = "model";
  f.figures = {map};
  return f;
}

inline Clips synthetic_clips() {
  Clips clips;
  for (size_t i = 0; i < 120; ++i) {
    Clip clip;
    clip.id = fmt::format("wav/{:03} a.wav", i);
    clip.path = "/nowhere/" + clip.id;
    clip.label = synthetic_classes[i % 4];
    clip.speaker = fmt::format("{:02}", i % 10);
    clip.text = "Kids are talking by the door.";
    clips.clips.push_back(clip);
  }
  return clips;
}

inline Findings synthetic_embedding(Random& random, const Clips& clips) {
  Findings f;
  f.measures = "Which clips lie near each other in the adapter's output (t-SNE).";
  f.source = "van der Maaten and Hinton, 2008";
  f.caveat = "Distances between clusters of a t-SNE mean nothing.";
  f.notes = {"Silhouette could not be computed for speakers with one clip."};
  Figure figure = synthetic_figure("embedding-tsne", "Clips by emotion and speaker", Figure::Kind::scatter, "");
  for (const int64_t layer : {0, 5})
    for (int64_t i = 0; i < std::ssize(clips.clips); ++i) {
      const Clip& clip = clips.clips[i];
      const double angle = static_cast<double>(i % 4) * 1.57, far = layer == 5 ? 12 : 2;
      figure.points.push_back({far * std::cos(angle) + 2.5 * random.normal(),
                               far * std::sin(angle) + 2.5 * random.normal(), fmt::format("layer {}", layer),
                               clip.label, clip.speaker, clip.id});
    }
  f.figures = {figure};
  for (int64_t i = 0; i < std::ssize(clips.clips); ++i) {
    const Point& point = figure.points[std::ssize(clips.clips) + i];  // of layer 5
    f.clips.push_back({i, "place", at::tensor(std::vector<double>{point.x, point.y}, at::kDouble)});
  }
  for (int64_t i = 0; i < std::ssize(clips.clips); ++i)
    for (const char* model : {"adapted", "frozen"}) {
      std::vector<double> table;
      const int64_t said = i % 7 == 0 ? (i + 1) % 4 : i % 4;
      for (int64_t l = -1; l < synthetic_layers; ++l) {
        const double sure = 0.25 + (model[0] == 'a' ? 0.70 : 0.4) / (1 + std::exp(-1.5 * static_cast<double>(l - 2))) +
                            0.04 * random.uniform();
        for (int64_t c = 0; c < 4; ++c) table.push_back(c == said ? sure : (1 - sure) / 3);
      }
      f.clips.push_back({i, model, at::tensor(table, at::kDouble).reshape({synthetic_layers + 1, 4})});
    }
  return f;
}

inline nlohmann::json synthetic_about() {
  using nlohmann::json;
  const auto score = [](double mean) {
    return json{{"mean", mean}, {"std", 0.031}, {"low", mean - 0.04}, {"high", mean + 0.03}};
  };
  json folds = json::array();
  for (int fold = 0; fold < 3; ++fold)
    folds.push_back({{"fold", fold}, {"uar", 0.86}, {"war", 0.87}, {"macro_f1", 0.85}});
  return {{"run", "synthetic"},
          {"base", "openai/whisper-base"},
          {"method", "lora"},
          {"corpus", {"synthetic"}},
          {"folds", 3},
          {"clips", 120},
          {"speakers", 10},
          {"against", "the same encoder with the adapter off"},
          {"precision", "bf16"},
          {"versions", {{"loralens", "0.1.0"}, {"torch", "2.13.0"}}},
          {"metrics",
           {{"classes", synthetic_classes},
            {"clips", 120},
            {"ddof", 1},
            {"folds", folds},
            {"uar", score(0.861)},
            {"war", score(0.867)},
            {"macro_f1", score(0.855)},
            {"confusion", {{26, 4, 0, 0}, {5, 23, 2, 0}, {0, 1, 28, 1}, {0, 0, 3, 27}}}}}};
}

// Writes a folder like `analyze` does, without its page. Different seeds stand for different runs.
inline void write_synthetic_findings(const Path& folder, uint64_t seed = 1) {
  Random random(seed);
  const Clips clips = synthetic_clips();
  write_findings(folder, "strict", 42,
                 {{"contribution", synthetic_contribution(random)},
                  {"logit-lens", synthetic_lens(random)},
                  {"alignment", synthetic_alignment()},
                  {"embedding", synthetic_embedding(random, clips)}},
                 clips, synthetic_classes, synthetic_about());
}

}  // namespace loralens
