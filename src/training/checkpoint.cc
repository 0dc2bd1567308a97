// SPDX-License-Identifier: Apache-2.0
#include "training/checkpoint.h"

#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/error.h"
#include "base/formats/json.h"

namespace loralens {
namespace {

using at::Tensor;
using nlohmann::json;

// A double in JSON: NaN and infinities are null, and null is read as NaN.
json number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }
double number(const json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

// The tensors under a prefix. Error unless their names, shapes and types are those of `like`, and all are finite.
Tensors part_of(const Safetensors& file, const std::string& name, const std::string& prefix, const Tensors& like) {
  Tensors part;
  for (const auto& [key, tensor] : like) {
    const Tensor value = file.read(prefix + key);
    if (value.sizes() != tensor.sizes() || value.scalar_type() != tensor.scalar_type())
      fail("{}: the tensor {} has the shape [{}], [{}] was expected", name, prefix + key,
           fmt::join(value.sizes(), ", "), fmt::join(tensor.sizes(), ", "));
    if (!at::isfinite(value).all().item<bool>())
      fail("{}: the tensor {} holds a number that is not finite", name, prefix + key);
    part[key] = value.to(tensor.device());
  }
  for (const auto& key : file.names())
    if (key.starts_with(prefix) && !like.contains(key.substr(prefix.size())))
      fail("{}: this model has no tensor {}", name, key);
  return part;
}

// Converts a cell of the history to JSON and back.
json cell(int64_t value) { return value; }
json cell(bool value) { return value; }
json cell(double value) { return number(value); }
void set(int64_t& value, const json& cell) { value = cell.get<int64_t>(); }
void set(bool& value, const json& cell) { value = cell.get<bool>(); }
void set(double& value, const json& cell) { value = number(cell); }

// The columns of the history in checkpoints of loralens 0.1.0, which do not name them.
constexpr const char* unnamed_columns[] = {"epoch",
                                           "steps",
                                           "loss",
                                           "learning_rate",
                                           "gradient_norm_A",
                                           "gradient_norm_B",
                                           "gradient_norm_encoder",
                                           "gradient_norm_head",
                                           "selection_loss",
                                           "selection_uar",
                                           "selection_war",
                                           "kept"};

// Reads a row of the history. Columns that are not fields of EpochRecord become `measured`. Throws if the column of a
// field or a cell is missing.
EpochRecord record_of(const std::vector<std::string>& columns, const json& row) {
  EpochRecord record;
  const std::vector<std::string> own = columns_of(record);
  for (const std::string& column : columns)
    if (!std::ranges::count(own, column)) record.measured.push_back({.column = column, .value = 0});
  if (columns_of(record) != columns || !row.is_array() || row.size() != columns.size())
    throw std::invalid_argument("columns");
  auto cell = row.begin();
  visit_cells(record, [&](const std::string&, auto& value) { set(value, *cell++); });
  return record;
}

void read_scalars(const json& scalars, TrainingState& state) {
  state.step = scalars.at("step").get<int64_t>();
  state.best.value = scalars.at("best_value").get<double>();
  state.best.loss = number(scalars.at("best_loss"));
  state.best.uar = number(scalars.at("best_uar"));
  const auto columns =
      scalars.value("columns", std::vector<std::string>(std::begin(unnamed_columns), std::end(unnamed_columns)));
  for (const json& row : scalars.at("history")) state.history.push_back(record_of(columns, row));
}

json scalars_of(const TrainingState& state) {
  json rows = json::array();
  for (const EpochRecord& record : state.history) {
    json& row = rows.emplace_back(json::array());
    visit_cells(record, [&](const std::string&, auto value) { row.push_back(cell(value)); });
  }
  return {{"step", state.step},
          {"best_value", state.best.value},
          {"best_loss", number(state.best.loss)},
          {"best_uar", number(state.best.uar)},
          {"columns", columns_of(state.history.empty() ? EpochRecord() : state.history.front())},
          {"history", rows}};
}

// Whether the history numbers its epochs from 0, its steps increase and end at state.step, and at most one epoch is
// kept.
bool is_consistent(const TrainingState& state) {
  int64_t steps = 0, kept = 0;
  for (size_t i = 0; i < state.history.size(); ++i) {
    const EpochRecord& record = state.history[i];
    if (record.epoch != static_cast<int64_t>(i) || record.steps <= steps) return false;
    steps = record.steps;
    kept += record.kept;
  }
  return steps == state.step && steps > 0 && kept <= 1;
}

}  // namespace

void write_state(const Path& file, const TrainingState& state) {
  Tensors tensors;
  for (const auto& [prefix, part] : {std::pair{"optimiser/", &state.optimiser}, std::pair{"now/", &state.now},
                                     std::pair{"best/", &state.best.weights}, std::pair{"average/", &state.average}})
    for (const auto& [name, tensor] : *part) tensors[prefix + name] = tensor;
  write_safetensors(file, tensors, {{"state", scalars_of(state).dump()}});
}

TrainingState read_state(const Path& path, const std::vector<Parameter>& trained, const Tensors& optimiser) {
  const std::string name = path.string();
  const Safetensors file(path);
  TrainingState state;
  try {
    read_scalars(parse_json(file.metadata().at("state"), name), state);
  } catch (const std::exception&) {  // invalid JSON, a missing value, or a value of a wrong type
    fail("{}: not a valid checkpoint: delete the file to train this fold from its start", name);
  }
  if (!is_consistent(state))
    fail("{}: its epochs and steps contradict each other: delete the file to train this fold from its start", name);
  Tensors like;
  for (const Parameter& p : trained) like[p.name] = p.tensor;
  const auto has = [&](const std::string& prefix) {
    const auto names = file.names();
    return std::ranges::any_of(names, [&](const std::string& key) { return key.starts_with(prefix); });
  };
  state.optimiser = part_of(file, name, "optimiser/", optimiser);
  state.now = part_of(file, name, "now/", like);
  if (has("best/")) state.best.weights = part_of(file, name, "best/", like);
  if (has("average/")) state.average = part_of(file, name, "average/", like);
  return state;
}

}  // namespace loralens
