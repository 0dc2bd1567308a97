// SPDX-License-Identifier: Apache-2.0
#include "training/probes/watch.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>

#include <charconv>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/formats/csv.h"
#include "base/progress.h"
#include "statistics/singular_spectrum.h"

namespace loralens {
namespace {

using at::Tensor;
using c10::ScalarType;

const std::vector<std::string> header = {"step", "epoch", "layer", "module", "component", "metric", "value"};

// Σx² in float64. It stays on x's device, because reading it would synchronise with a GPU.
Tensor squares_of(const Tensor& x) {
  const Tensor norm = at::linalg_vector_norm(x.detach(), 2, at::OptionalIntArrayRef(), false, ScalarType::Double);
  return norm * norm;
}

void accumulate(Tensor& sum, const Tensor& value) { sum = sum.defined() ? sum + value : value; }

// The factor R of M = Q R, which has M's singular values. R_B R_{Aᵀ}ᵀ has the singular values of B A.
Tensor triangle_of(const Tensor& matrix) {
  return std::get<1>(at::linalg_qr(matrix.detach().cpu().to(ScalarType::Double), "r"));
}

template <typename T>
T number(const std::string& text, const std::string& where) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) fail("{}: '{}' is not a number", where, text);
  return value;
}

}  // namespace

std::vector<WatchRow> read_watch(const Path& csv) {
  const Table table = read_csv(csv);
  std::vector<size_t> places;
  for (const std::string& column : header) {
    places.push_back(table.column(column));
    if (places.back() >= table.header.size() || table.header.size() != header.size())
      fail("{}: not the table that training writes (columns {})", csv.string(), fmt::join(header, ","));
  }
  std::vector<WatchRow> rows;
  std::set<std::vector<std::string>> seen;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const std::string where = fmt::format("{}, row {}", csv.string(), i + 2);
    std::vector<std::string> cells;
    for (const size_t place : places) cells.push_back(table.rows[i][place]);
    const auto at_least_0 = [&](size_t c) {
      const auto value = number<int64_t>(cells[c], where);
      if (value < 0) fail("{}: the {} '{}' is below 0", where, header[c], cells[c]);
      return value;
    };
    WatchRow row{.step = at_least_0(0),
                 .epoch = at_least_0(1),
                 .module = cells[3],
                 .component = cells[4],
                 .metric = cells[5],
                 .value = number<double>(cells[6], where)};
    if (!cells[2].empty()) row.layer = at_least_0(2);
    if (!std::isfinite(row.value)) fail("{}: the value '{}' is not finite", where, cells[6]);
    if (!rows.empty() && row.step < rows.back().step)
      fail("{}: step {} comes after step {}", where, row.step, rows.back().step);
    cells.pop_back();
    if (!seen.insert(std::move(cells)).second)
      fail("{}: an earlier row has the same step, layer, module, component and metric", where);
    rows.push_back(std::move(row));
  }
  return rows;
}

Watch::Watch(const EmotionModel& model, int64_t every, Path csv, Processes& processes)
    : model_(model), lens_(model.head), every_(every), csv_(std::move(csv)), processes_(processes) {
  lens_.layer_weights.reset();
}

Observer* Watch::begin_step(int64_t step, int64_t epoch) {
  measuring_ = step % every_ == 0;
  if (!measuring_) return nullptr;
  step_ = step;
  epoch_ = epoch;
  clips_ = 0;
  sums_.clear();
  logit_squares_.reset();
  return this;
}

bool Watch::wants(const Site& site) const {
  return site.kind == SiteKind::residual_out || site.kind == SiteKind::logits;
}

void Watch::see(const Pass& pass, const Site& site, const Tensor& value, int64_t segment) {
  Tensor& squares = site.kind == SiteKind::logits ? logit_squares_ : sums_[site.layer].squares;
  if (value.requires_grad())
    value.register_hook([&squares](const Tensor& gradient) { accumulate(squares, squares_of(gradient)); });
  if (site.kind == SiteKind::residual_out) see_lens(pass, site.layer, value);
}

void Watch::see_lens(const Pass& pass, int64_t layer, const Tensor& residual) {
  const at::NoGradGuard no_grad;
  const Tensor pooled = mean_over_clips(finish(model_.adapted.encoder, residual, Pass{}), pass);
  predictions_.emplace_back(layer, at::log_softmax(logits(lens_, pooled, Pass{}), -1, ScalarType::Double));
  if (layer + 1 < model_.adapted.encoder.config.layers) return;
  const Tensor last = predictions_.back().second;
  for (const auto& [seen, prediction] : predictions_)
    accumulate(sums_[seen].kl, (last.exp() * (last - prediction)).sum());
  clips_ += last.size(0);
  predictions_.clear();
}

// Adds what the other processes have seen of the step. A process without clips has seen no layer.
void Watch::sum_over_processes() {
  if (processes_.size() == 1) return;
  const int64_t layers = model_.adapted.encoder.config.layers;
  std::vector<double> values;
  const auto add = [&](const Tensor& value) {  // and whether there is one
    values.push_back(value.defined() ? 1 : 0);
    values.push_back(value.defined() ? value.item<double>() : 0);
  };
  for (int64_t layer = 0; layer < layers; ++layer) {
    const auto seen = sums_.find(layer);
    add(seen == sums_.end() ? Tensor() : seen->second.squares);
    add(seen == sums_.end() ? Tensor() : seen->second.kl);
  }
  add(logit_squares_);
  values.push_back(static_cast<double>(clips_));
  const Tensor all = at::tensor(values, c10::ScalarType::Double);
  processes_.sum(all);
  int64_t place = 0;
  const auto take = [&](Tensor& value) {
    value = all[place].item<double>() > 0 ? all[place + 1] : Tensor();
    place += 2;
  };
  for (int64_t layer = 0; layer < layers; ++layer) {
    LayerSums sums;
    take(sums.squares);
    take(sums.kl);
    if (sums.kl.defined()) sums_[layer] = sums;
  }
  take(logit_squares_);
  clips_ = all[place].item<int64_t>();
}

void Watch::see_gradients() {
  if (!measuring_) return;
  const at::NoGradGuard no_grad;
  sum_over_processes();
  for (const auto& [layer, sums] : sums_) {
    if (sums.squares.defined())
      add(layer, Module::none, "residual", "gradient_norm", std::sqrt(sums.squares.item<double>()));
    add(layer, Module::none, "residual", "kl", sums.kl.item<double>() / static_cast<double>(clips_));
  }
  if (logit_squares_.defined())
    add({}, Module::none, "logits", "gradient_norm", std::sqrt(logit_squares_.item<double>()));
  for (const auto& [place, adapter] : model_.adapted.adapters.linear) add_adapter(place.layer, place.module, *adapter);
}

void Watch::add(std::optional<int64_t> layer, Module module, const char* component, const char* metric, double value) {
  rows_.push_back({.step = step_,
                   .epoch = epoch_,
                   .layer = layer,
                   .module = std::string(name_of(module)),
                   .component = component,
                   .metric = metric,
                   .value = value});
}

void Watch::add_adapter(int64_t layer, Module module, const LinearAdapter& adapter) {
  const auto factors = adapter.factors();
  if (!factors) return;
  const auto add_matrix = [&](const char* component, const Tensor& triangle, double scale) {
    if (!at::isfinite(triangle).all().item<bool>())
      fail(
          "{} of {} in layer {} is too large or not finite in step {}: lower the learning rate, or, after "
          "--resume, train again from the start",
          component, name_of(module), layer, step_);
    const Tensor values = at::linalg_svdvals(triangle) * scale;
    const SpectrumMeasures measures = measures_of(values);
    add(layer, module, component, "norm", std::sqrt(squares_of(values).item<double>()));
    if (std::isnan(measures.sv90)) return;
    add(layer, module, component, "sv90", measures.sv90);
    add(layer, module, component, "effective_rank", measures.effective_rank);
  };
  const auto add_gradient = [&](const char* component, const Tensor& gradient) {
    if (gradient.defined())
      add(layer, module, component, "gradient_norm", std::sqrt(squares_of(gradient).item<double>()));
  };
  const Tensor a = triangle_of(factors->a.transpose(0, 1)), b = triangle_of(factors->b);  // at most R×R
  add_gradient("A", factors->a.grad());
  add_matrix("A", a, 1);
  add_gradient("B", factors->b.grad());
  add_matrix("B", b, 1);
  add_matrix("BA", at::matmul(b, a.transpose(0, 1)), factors->scale);
}

void Watch::write() const {
  Table table{.header = header};
  for (const WatchRow& row : rows_)
    table.rows.push_back({std::to_string(row.step), std::to_string(row.epoch),
                          row.layer ? std::to_string(*row.layer) : "", row.module, row.component, row.metric,
                          fmt::format("{:.6g}", row.value)});
  write_file(csv_, format_csv(table));
}

void Watch::resume(int64_t step) {
  if (!std::filesystem::exists(csv_)) {
    log_line(fmt::format("{} is missing: the new file starts at step {}", csv_.string(), step));
    return;
  }
  rows_ = read_watch(csv_);
  std::erase_if(rows_, [&](const WatchRow& row) { return row.step >= step; });
}

}  // namespace loralens
