// SPDX-License-Identifier: Apache-2.0
// Runs and evaluations of several corpora as one matrix: trained on (rows), tested on (columns).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace loralens {

struct ScoredRun {
  std::string run;         // the run's folder: an evaluation has that of its run
  nlohmann::json metrics;  // metrics.json
};

// UAR of one method, trained on some corpora, on another or the same.
struct CrossCell {
  std::string method;                // a panel; with the base model where there are several
  std::vector<std::string> trained;  // corpora, sorted
  std::string tested, run;
  double value = 0, low = 0, high = 0;  // the interval is NaN where there is none
  int64_t clips = 0;
  bool left_out = false;  // whether the run's other folds were trained on the tested corpus

  // Whether the test clips are out-of-fold clips of a corpus that other clips of trained the model.
  bool own() const;
};

// A cell for each corpus that each run or evaluation tested: of a single one, its UAR (mean over folds); of several,
// that of the corpus's clips. A fold that leaves a corpus out counts as trained on the others. What says no corpora
// (an old file), or was tested on clips that trained it, gives none. Equal cells come once.
std::vector<CrossCell> cross_cells(const std::vector<ScoredRun>& runs);

// The matrix as a Vega-Lite heat map with its numbers, a panel for each method. Null unless some cell was trained on
// something else than what it is tested on.
nlohmann::json cross_figure(const std::vector<CrossCell>& cells);

// The figure, the same as a table, and what it shows. "" where there is no figure.
std::string across_html(const std::vector<ScoredRun>& runs);

}  // namespace loralens
