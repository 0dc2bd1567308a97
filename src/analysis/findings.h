// SPDX-License-Identifier: Apache-2.0
// Results of an analysis: a tidy table, arrays, figures (content, not rendering) and sentences.
#pragma once

#include <ATen/core/Tensor.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace loralens {

// Identifies one measured number. All fields but the metric may be empty.
struct RowKey {
  std::string model;    // adapted, frozen, untrained, adapted-frozen
  std::string variant;  // of the measure: balanced, dropout, float32, mean-ablation, ...; empty: the plain measure
  std::optional<int64_t> layer;  // 0..N-1; -1 the embedding
  std::string module;  // "v_proj"
  std::string component;  // attention, mlp, layer, A, B, ...
  std::string metric;
  std::string class_name;
  std::optional<int64_t> step;  // training step
  auto operator<=>(const RowKey&) const = default;
};

// One line of tables/<analysis>.csv.
struct Row {
  RowKey key;
  std::optional<int64_t> fold;  // empty: over all folds (and runs)
  double value = 0;
  double low = std::numeric_limits<double>::quiet_NaN(), high = low;  // 95 % interval; NaN where there is none
  // Number of clips; a clip counts once per run. For a mean over folds of a measure that is not a mean over clips: the
  // number of folds. 0: not applicable.
  int64_t n = 0;
  // In a row of one fold, if several runs are analysed: the seed of the run's training, empty if it is unknown. In all
  // other rows: the analysis's seed.
  std::optional<uint64_t> seed;
  // The estimand of value, interval, p and null: "pooled" (all clips together, each predicted out of fold) or
  // "fold-mean" (mean of the folds' values). Empty where neither applies, such as for a single fold's number.
  std::string estimand;
  // p value, and the p value adjusted for the family that the analysis's notes name, in [0, 1]; NaN: none.
  double p = std::numeric_limits<double>::quiet_NaN(), p_adjusted = p;
  double null_low = p, null_high = p;  // central 95 % of the null distribution; NaN where there is none
  int64_t null_draws = 0;  // random draws of the null distribution; 0: not applicable
  // Why a number over all clips or folds has no interval; empty if it has one or needs none. Not a column of the table;
  // the analysis's notes contain it (notes_on_intervals).
  std::string without_interval;
};

struct NamedArray {
  std::string name;  // may hold slashes: "adapted/A"
  at::Tensor values;
};

// A point of a scatter plot.
struct Point {
  double x = 0, y = 0;
  std::string panel;  // facet: "layer 3"
  std::string label, speaker;  // choices for the colour
  std::string id;  // the clip
};

// A figure of rows of the analysis's own table (of `points` for a scatter plot). Columns are named as in the table. If
// some selected rows are over all folds, only those are drawn.
struct Figure {
  enum class Kind { curve, bars, heat_map, scatter };
  std::string name;  // file name, "contribution-relative-norm"
  std::string title;
  Kind kind = Kind::curve;
  std::vector<std::pair<std::string, std::vector<std::string>>> where;  // a column and its allowed values; "" is empty
  std::string x = "layer", x_title = "layer";
  std::string y_title;
  std::string color = "model";  // column; a curve or a group of bars for each value
  std::string dash;  // column, or none
  std::string facet;  // column, a panel for each value, or none
  bool own_scales = false;  // each panel has its own y axis, because units or ranges differ
  std::string y;  // heat map only: the column of the second axis
  std::vector<Point> points;
};

// Values of one clip that are not in the tables, for the clip explorer of the report.
struct ClipFinding {
  int64_t clip = 0;  // number in the table
  // "adapted", "frozen": class probabilities layer by layer; "patched": those of the frozen model when one layer's
  // output is replaced by the adapted model's (all (N+1)×C, rows: embedding, layer 0, ..., N-1); "heads": what each
  // attention head adds to the true class's logit (N×H); "place": t-SNE (2 coordinates).
  std::string name;
  at::Tensor values;
};

struct Findings {
  std::string measures;  // one sentence that names the measured quantity
  std::string source;  // "nostalgebraist, 2020"
  std::string caveat;  // limitations that a reviewer would raise
  // Sentences made of the numbers, with the numbers in them. The first one answers the question of the analysis: the
  // report shows it alone where the analysis is folded.
  std::vector<std::string> reading;
  std::vector<std::string> notes;  // what could not be computed and why, and how values were computed
  std::vector<Row> rows;
  std::vector<NamedArray> arrays;
  std::vector<Figure> figures;
  std::vector<ClipFinding> clips;
};

struct NamedFindings {
  std::string name;  // of the analysis, "logit-lens"
  Findings findings;
  std::string chapter = "states";  // of the report, name_of(Chapter)
};

}  // namespace loralens
