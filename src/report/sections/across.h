// SPDX-License-Identifier: Apache-2.0
// Cross-corpus matrix of UAR over runs and evaluations: training corpora (rows) by test corpus (columns).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace loralens {

struct ScoredRun {
  std::string run;         // the run's folder; of an evaluation, the evaluated run's folder
  nlohmann::json metrics;  // metrics.json
};

// UAR of one method, trained on some corpora and tested on one corpus.
struct CrossCell {
  std::string method;                // the panel; includes the base model if there are several
  std::vector<std::string> trained;  // corpora, sorted
  std::string tested, run;
  double value = 0, low = 0, high = 0;  // the interval is NaN if there is none
  int64_t clips = 0;
  bool left_out = false;  // whether other folds of the run were trained on the test corpus

  // Whether the test corpus is also a training corpus; the test clips are out-of-fold clips then.
  bool own() const;
};

// One cell per run or evaluation and test corpus. Its value is the UAR of all clips together if there is one test
// corpus, else the UAR of the corpus's clips (shown_score in scores.h). A fold that leaves a corpus out counts as
// trained on the other corpora. There is no cell for metrics without corpora (old files), and for evaluations on
// training clips or on other clips of a training corpus. Duplicates are dropped.
std::vector<CrossCell> cross_cells(const std::vector<ScoredRun>& runs);

// The matrix as a Vega-Lite heat map with its numbers, one panel per method. Null if all cells have a single training
// corpus that is also the test corpus.
nlohmann::json cross_figure(const std::vector<CrossCell>& cells);

// The figure, an explanation, and the same numbers as a table. "" if there is no figure.
std::string across_html(const std::vector<ScoredRun>& runs);

}  // namespace loralens
