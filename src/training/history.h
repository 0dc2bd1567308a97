// SPDX-License-Identifier: Apache-2.0
// history.csv: a row for each epoch of a training.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace loralens {

// A cell that the objective or a probe adds to a row of history.csv.
struct Measurement {
  std::string column;
  double value;  // NaN: an empty cell
};

// Scores on the part by which the epoch is chosen (Selection); NaN without such a part.
struct SelectionScores {
  double loss = std::numeric_limits<double>::quiet_NaN();  // cross-entropy in nats, without class weights or smoothing
  double uar = std::numeric_limits<double>::quiet_NaN();
  double war = std::numeric_limits<double>::quiet_NaN();
};

// A row of history.csv.
struct EpochRecord {
  int64_t epoch = 0;  // from 0
  int64_t steps = 0;  // updates in all epochs so far
  double loss = 0;  // the objective's mean over the epoch's clips
  double learning_rate = 0;  // of the last step, for adapters and encoder
  std::vector<Measurement> measured;  // the same columns in every epoch of a training
  SelectionScores selection;
  bool kept = false;  // whether this is the chosen epoch, whose weights are kept
};

// Calls visit(column, value) for each cell of a row, in the order of the columns. value refers to the record's int64_t,
// double or bool.
template <typename Record, typename Visit>
void visit_cells(Record& record, Visit&& visit) {
  visit("epoch", record.epoch);
  visit("steps", record.steps);
  visit("loss", record.loss);
  visit("learning_rate", record.learning_rate);
  for (auto& [column, value] : record.measured) visit(column, value);
  visit("selection_loss", record.selection.loss);
  visit("selection_uar", record.selection.uar);
  visit("selection_war", record.selection.war);
  visit("kept", record.kept);
}

std::vector<std::string> columns_of(const EpochRecord& record);

// The text of history.csv. Error if the records have different columns.
std::string format_history(std::span<const EpochRecord> history);

}  // namespace loralens
