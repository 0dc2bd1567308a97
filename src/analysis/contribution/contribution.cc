// SPDX-License-Identifier: Apache-2.0
// How much attention, MLP and the whole layer add to the residual stream, and in which direction: norms relative to the
// stream that enters the layer, and cosines with it (arXiv 2509.08454, "contribution").
//
// Per position: ‖a‖/‖h‖, ‖m‖/‖h‖, ‖a+m‖/‖h‖ with ‖h‖ at least 1e-6, and the three cosines with h, where a norm counts
// as at least 1e-8. h: residual_in, a: attention_out, m: mlp_out of the layer.
#include "analysis/contribution/contribution.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "analysis/analyses.h"
#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr std::array components = {"attention", "mlp", "layer"};
constexpr std::array metrics = {"relative_norm", "cosine"};

// h, a, m: ΣT×D. Returns ΣT×6 on the CPU in float64: relative norms, then cosines, in the order of `components`.
Tensor contributions(Tensor h, Tensor a, Tensor m) {
  for (Tensor* x : {&h, &a, &m}) *x = x->to(c10::ScalarType::Double);
  const auto norm = [](const Tensor& x) { return at::linalg_vector_norm(x, 2, {1}); };
  const Tensor stream = norm(h);
  std::vector<Tensor> norms, cosines;
  for (const Tensor& added : {a, m, a + m}) {
    const Tensor size = norm(added);
    norms.push_back(size / stream.clamp_min(1e-6));
    cosines.push_back((added * h).sum(1) / (size.clamp_min(1e-8) * stream.clamp_min(1e-8)));
  }
  norms.insert(norms.end(), cosines.begin(), cosines.end());
  return at::stack(norms, 1).cpu();
}

// "4, 5"
std::string listed(const std::vector<int64_t>& layers) {
  std::string text;
  for (const int64_t layer : layers) text += fmt::format("{}{}", text.empty() ? "" : ", ", layer);
  return text;
}

RowKey key_of(const std::string& model, int64_t layer, size_t component, size_t metric) {
  return {.model = model, .layer = layer, .component = components[component], .metric = metrics[metric]};
}

// Clips have equal weight, whatever their length.
class StrictContribution : public Contribution {
 public:
  explicit StrictContribution(const Setting& setting) : Contribution(setting), curves_(setting) {}

 protected:
  void add(int64_t fold, int64_t clip, const RowKey& key, double sum, int64_t positions) override {
    curves_.add(fold, clip, key, sum / static_cast<double>(positions));
  }

  std::vector<Row> rows() const override {
    std::vector<Row> rows = curves_.rows();
    for (Row& row : curves_.differences("adapted", "frozen")) rows.push_back(std::move(row));
    return rows;
  }

  std::string averaging() const override { return "Speech frames only; the mean of each clip, then over clips."; }

 private:
  ClipCurves curves_;
};

// A sentence that names the layers in which the interval of the change of a component's relative norm excludes 0, so
// that the sign of the change is known; "" without intervals.
std::string told_changes(const Setting& setting, const std::vector<Row>& rows, size_t component) {
  std::vector<int64_t> untold;
  int64_t intervals = 0;
  for (int64_t l = 0; l < setting.layers; ++l) {
    const Row* row = find_row(rows, key_of("adapted-frozen", l, component, 0));
    if (!row || !has_interval(*row)) continue;
    ++intervals;
    if (!differs_from_zero(*row)) untold.push_back(l);
  }
  if (intervals == 0) return "";
  if (untold.empty()) return fmt::format(" The 95 % interval of the change excludes 0 in {} layers.", intervals);
  return fmt::format(" The 95 % interval of the change excludes 0 in {} layers; in layer{} {} its sign cannot be told.",
                     intervals - std::ssize(untold), untold.size() > 1 ? "s" : "", listed(untold));
}

// The layer whose update's direction changes most.
std::string direction_sentence(const Setting& setting, const std::vector<Row>& rows) {
  const auto value = [&](const char* model, int64_t layer) {
    const Row* row = find_row(rows, key_of(model, layer, 2, 1));
    return row ? row->value : 0;
  };
  int64_t turned = 0;
  for (int64_t l = 0; l < setting.layers; ++l)
    if (std::abs(value("adapted-frozen", l)) > std::abs(value("adapted-frozen", turned))) turned = l;
  std::string text = fmt::format(
      "The direction of a layer's update changes most in layer {}: its cosine with the stream that "
      "enters is {:.3f} adapted, {:.3f} frozen.",
      turned, value("adapted", turned), value("frozen", turned));
  if (const Row* row = find_row(rows, key_of("adapted-frozen", turned, 2, 1)); row && has_interval(*row))
    text += fmt::format(" The difference of all clips together is {:+.3f}{}{}", row->value, interval_words(*row, true),
                        differs_from_zero(*row) ? "." : ": whether the direction changes cannot be told.");
  return text;
}

constexpr std::array names = {"attention", "the MLP", "the whole layer"};  // of the components

// Sentences on a model that is compared with none.
std::vector<std::string> reading_alone(const Setting& setting, const std::vector<Row>& rows) {
  std::vector<std::string> sentences;
  for (size_t c = 0; c < components.size(); ++c) {
    double sum = 0;
    const Row* most = nullptr;
    for (int64_t l = 0; l < setting.layers; ++l) {
      const Row* row = find_row(rows, key_of("adapted", l, c, 0));
      if (!row) return {};
      sum += row->value;
      if (!most || row->value > most->value) most = row;
    }
    sentences.push_back(fmt::format(
        "The contribution of {} is {:.3f} of the residual stream's norm (mean over layers), the largest in layer {}: "
        "{:.3f}.",
        names[c], sum / static_cast<double>(setting.layers), *most->key.layer, most->value));
  }
  return sentences;
}

std::vector<std::string> reading_of(const Setting& setting, const std::vector<Row>& rows) {
  if (!setting.compared) return reading_alone(setting, rows);
  std::vector<std::string> sentences;
  const auto value = [&](const char* model, int64_t layer, size_t component, size_t metric) {
    const Row* row = find_row(rows, key_of(model, layer, component, metric));
    return row ? row->value : 0;
  };
  for (size_t c = 0; c < components.size(); ++c) {
    std::vector<double> change;
    double total = 0, upper = 0, adapted = 0, frozen = 0;
    for (int64_t l = 0; l < setting.layers; ++l) {
      change.push_back(value("adapted-frozen", l, c, 0));
      total += std::abs(change.back());
      if (l >= (setting.layers + 1) / 2) upper += std::abs(change.back());
      adapted += value("adapted", l, c, 0) / static_cast<double>(setting.layers);
      frozen += value("frozen", l, c, 0) / static_cast<double>(setting.layers);
    }
    if (total == 0) {
      sentences.push_back(fmt::format(
          "The contribution of {} is the same with and without adaptation in every layer: {:.3f} of the residual "
          "stream's norm on average.",
          names[c], frozen));
      continue;
    }
    std::vector<int64_t> order(change.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater{}, [&](int64_t l) { return std::abs(change[l]); });
    order.resize(std::max<size_t>(1, order.size() / 3));
    std::ranges::sort(order);
    double top = 0;
    bool grows = true, falls = true;
    for (const int64_t l : order) {
      const double of_layer = change[l];
      top += std::abs(of_layer);
      grows &= of_layer > 0;
      falls &= of_layer < 0;
    }
    const std::string told = told_changes(setting, rows, c);
    sentences.push_back(fmt::format(
        "The contribution of {} goes from {:.3f} to {:.3f} of the residual stream's norm (mean over layers). It {} "
        "most in layer{} {}: {:.0f} % of the total absolute change; the upper {} of {} layers hold {:.0f} %.{}",
        names[c], frozen, adapted,
        falls   ? "falls"
        : grows ? "grows"
                : "changes",
        order.size() > 1 ? "s" : "", listed(order), 100 * top / total, setting.layers / 2, setting.layers,
        100 * upper / total, told));
  }
  sentences.push_back(direction_sentence(setting, rows));
  return sentences;
}

}  // namespace

// A layer's sites arrive in the order residual_in, attention_out, mlp_out.
void Contribution::see(const BatchView& view, const Site& site, const Tensor& value) {
  if (site.kind == SiteKind::residual_in) stream_ = value;
  if (site.kind == SiteKind::attention_out) attention_ = value;
  if (site.kind != SiteKind::mlp_out) return;
  const auto clips = view.speech_of(contributions(stream_, attention_, value));
  const std::string model(name_of(view.subject.role));
  for (size_t i = 0; i < clips.size(); ++i) {
    const Tensor sums = clips[i].sum(0);
    for (size_t metric = 0; metric < metrics.size(); ++metric)
      for (size_t component = 0; component < components.size(); ++component)
        add(view.fold.fold, view.clips[i], key_of(model, site.layer, component, metric),
            sums[static_cast<int64_t>(metric * components.size() + component)].item<double>(), clips[i].size(0));
  }
  stream_.reset();
  attention_.reset();
}

Findings Contribution::finish() {
  Findings findings;
  findings.measures =
      "Norm of the output of attention, MLP and the whole layer relative to the residual stream that enters the "
      "layer, and its cosine with that stream.";
  findings.source = "arXiv 2509.08454, layer contribution";
  findings.caveat =
      "A large contribution need not be a useful one (see erasure), and the stream's norm grows with depth, so "
      "equal updates look smaller in late layers.";
  findings.rows = rows();
  if (findings.rows.empty()) {
    findings.notes.push_back("No test clip was seen, so nothing could be measured.");
    return findings;
  }
  findings.notes.push_back(averaging());
  const auto figure = [&](const std::string& name, const std::string& title, const std::string& y) {
    Figure f{.name = name, .title = title, .y_title = y};
    return f;
  };
  for (const auto& [metric, name, title, y] :
       {std::array{"relative_norm", "contribution-relative-norm", "Size of each contribution",
                   "norm / norm of the stream"},
        std::array{"cosine", "contribution-cosine", "Direction of each contribution", "cosine with the stream"}}) {
    Figure f = figure(name, title, y);
    f.where.push_back({"metric", {metric}});
    f.where.push_back({"model", {"adapted", "frozen"}});
    f.facet = "component";
    findings.figures.push_back(f);
  }
  Figure change = figure("contribution-difference", "What adaptation changes", "adapted - frozen");
  change.where.push_back({"model", {"adapted-frozen"}});
  change.color = "component";
  change.facet = "metric";
  findings.figures.push_back(change);
  findings.reading = reading_of(setting_, findings.rows);
  return findings;
}

std::unique_ptr<Analysis> make_contribution(const Setting& setting) {
  if (setting.protocol.as_published) return make_paper_contribution(setting);
  return std::make_unique<StrictContribution>(setting);
}

}  // namespace loralens
