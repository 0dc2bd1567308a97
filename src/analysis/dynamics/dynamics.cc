// SPDX-License-Identifier: Apache-2.0
// Training dynamics: gradients, adapters and each layer's logit lens over the training steps of a run's folds, read
// from training's watch.csv (training/probes/watch.h).
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "analysis/analyses.h"
#include "analysis/analysis.h"
#include "analysis/curves.h"
#include "base/error.h"
#include "training/probes/watch.h"

namespace loralens {
namespace {

using Curve = std::map<int64_t, double>;  // by step
using Curves = std::map<RowKey, Curve>;  // by key without step

constexpr int64_t settled = 100;  // step from which on vanishing gradients are judged
constexpr double vanished = 0.1;  // share of its initial value below which a gradient counts as vanished

RowKey key_of(std::optional<int64_t> layer, const std::string& module, const std::string& component,
              const std::string& metric) {
  RowKey key;
  key.model = "adapted";
  key.layer = layer;
  key.module = module;
  key.component = component;
  key.metric = metric;
  return key;
}

// Adds each gradient norm divided by that at the logits in the same step, which shrinks with the loss.
void add_relative_gradients(Curves& curves) {
  const auto logits = curves.find(key_of({}, "", "logits", "gradient_norm"));
  if (logits == curves.end()) return;
  Curves relative;
  for (const auto& [key, curve] : curves) {
    if (key.metric != "gradient_norm" || key.component == "logits") continue;
    Curve& divided = relative[key_of(key.layer, key.module, key.component, "relative_gradient")];
    for (const auto& [step, value] : curve)
      if (const auto at = logits->second.find(step); at != logits->second.end() && at->second > 0)
        divided[step] = value / at->second;
  }
  curves.merge(relative);
}

Curves read_curves(const Path& csv, int64_t layers) {
  Curves curves;
  for (const WatchRow& row : read_watch(csv)) {
    if (row.layer && *row.layer >= layers)
      fail("{}: there is no layer {}: the model has {} layers", csv.string(), *row.layer, layers);
    curves[key_of(row.layer, row.module, row.component, row.metric)][row.step] = row.value;
  }
  add_relative_gradients(curves);
  return curves;
}

std::set<int64_t> steps_of(const Curves& curves) {
  std::set<int64_t> steps;
  for (const auto& [key, curve] : curves)
    for (const auto& [step, value] : curve) steps.insert(step);
  return steps;
}

// Norm of each layer's updates over all modules.
std::map<int64_t, Curve> update_norms(const Curves& curves) {
  std::map<int64_t, Curve> norms;
  for (const auto& [key, curve] : curves)
    if (key.component == "BA" && key.metric == "norm" && key.layer)
      for (const auto& [step, value] : curve) norms[*key.layer][step] += value * value;
  for (auto& [layer, curve] : norms)
    for (auto& [step, value] : curve) value = std::sqrt(value);
  return norms;
}

// The first recorded step at which the curve has half of its last value.
int64_t half_step(const Curve& curve) {
  for (const auto& [step, value] : curve)
    if (2 * value >= curve.rbegin()->second) return step;
  return curve.rbegin()->first;
}

// One curve per layer, from keys without a module.
std::map<int64_t, Curve> by_layer(const Curves& curves, const std::string& component, const std::string& metric) {
  std::map<int64_t, Curve> layers;
  for (const auto& [key, curve] : curves)
    if (key.layer && key.module.empty() && key.component == component && key.metric == metric)
      layers[*key.layer] = curve;
  return layers;
}

double mean_after(const Curve& curve, int64_t step) {
  double sum = 0;
  int64_t count = 0;
  for (auto at = curve.lower_bound(step); at != curve.end(); ++at, ++count) sum += at->second;
  return sum / static_cast<double>(count);
}

// The layers with the least and the greatest value.
struct Extremes {
  std::pair<int64_t, double> least, greatest;
};
Extremes extremes_of(const std::map<int64_t, double>& layers) {
  const auto [least, greatest] = std::minmax_element(layers.begin(), layers.end(),
                                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return {*least, *greatest};
}

class Dynamics : public Analysis {
 public:
  explicit Dynamics(const Setting& setting) : setting_(setting) {}

  bool wants(Part part, Role role) const override { return false; }

  Findings finish() override {
    describe();
    read_folds();
    if (folds_.empty()) return findings_;
    add_rows();
    tell_of_update();
    tell_of_gradients();
    tell_of_lens();
    add_figures();
    return findings_;
  }

 private:
  void describe() {
    findings_.measures =
        "At some steps of training: norms of the gradients of A, B and the residual stream at each layer's output, "
        "norm and rank of A, B and the update BA, and the KL of each layer's lens from the final prediction.";
    findings_.source =
        "training's own watch.csv; logit lens: nostalgebraist, 2020; effective rank: Roy and Vetterli, 2007";
    findings_.caveat =
        "Each value is measured on one training batch, with dropout, at the weights of that step: single points are "
        "noisy. The learning rate's schedule affects all curves. A and B are not identifiable separately, BA is. A "
        "gradient that shrinks with the loss has not vanished: relative_gradient is divided by the gradient at the "
        "logits.";
  }

  void read_folds() {
    std::vector<std::string> missing;
    for (size_t f = 0; f < setting_.model_folders.size(); ++f) {
      const Path csv = setting_.model_folders[f] / "watch.csv";
      if (std::filesystem::exists(csv))
        folds_[static_cast<int64_t>(f)] = read_curves(csv, setting_.layers);
      else
        missing.push_back(setting_.model_folders[f].string());
    }
    if (folds_.empty())
      findings_.notes.push_back(
          "The run has no watch.csv (it was trained with --watch 0, or nothing in its encoder was trained), so "
          "training dynamics are unknown.");
    else if (!missing.empty())
      findings_.notes.push_back(fmt::format("No watch.csv in {}: left out.", fmt::join(missing, ", ")));
  }

  // Steps recorded in every fold: a mean over a changing set of folds would jump.
  std::set<int64_t> common_steps() {
    std::set<int64_t> common = steps_of(folds_.begin()->second), all = common;
    for (const auto& [fold, curves] : folds_) {
      const auto steps = steps_of(curves);
      std::erase_if(common, [&](int64_t step) { return !steps.contains(step); });
      all.insert(steps.begin(), steps.end());
    }
    if (common.size() < all.size())
      findings_.notes.push_back(
          fmt::format("{} of {} steps are not in all folds, whose trainings differ in length: left out.",
                      all.size() - common.size(), all.size()));
    return common;
  }

  // Adds rows of the mean over folds (each fold's own values are in its watch.csv) and keeps their curves for the
  // reading.
  void add_rows() {
    const auto common = common_steps();
    FoldCurves curves(setting_);
    for (auto& [fold, of_fold] : folds_) {
      for (const auto& [layer, norms] : update_norms(of_fold))  // of all steps: the last one is the training's own
        if (norms.rbegin()->second > 0)
          curves.add(fold, key_of(layer, "", "BA", "half_norm_step"), static_cast<double>(half_step(norms)));
      for (auto& [key, curve] : of_fold) {
        std::erase_if(curve, [&](const auto& point) { return !common.contains(point.first); });
        for (const auto& [step, value] : curve) {
          RowKey at_step = key;
          at_step.step = step;
          curves.add(fold, at_step, value);
        }
      }
    }
    for (const Row& row : curves.rows()) {
      if (setting_.folds > 1 && row.fold) continue;
      findings_.rows.push_back(row);
      RowKey key = row.key;
      key.step.reset();
      mean_[key][row.key.step.value_or(0)] = row.value;
    }
  }

  void tell_of_update() {
    std::map<int64_t, double> half, last;
    int64_t step = 0;
    for (const auto& [layer, curve] : by_layer(mean_, "BA", "half_norm_step")) half[layer] = curve.at(0);
    for (const auto& [layer, curve] : update_norms(mean_)) {
      last[layer] = curve.rbegin()->second;
      step = curve.rbegin()->first;
    }
    if (half.empty()) return;
    const auto [first, latest] = extremes_of(half);
    const auto [smallest, largest] = extremes_of(last);
    const std::string growth =
        first.second == latest.second
            ? fmt::format("has half of its last norm by step {:.4g} in every layer", first.second)
            : fmt::format(
                  "grows first in layer {} (half of its last norm by step {:.4g}) and last in layer {} (step "
                  "{:.4g})",
                  first.first, first.second, latest.first, latest.second);
    findings_.reading.push_back(fmt::format(
        "The update BA {}; at step {} it is largest in layer {} ({:.3g}) and smallest in layer {} ({:.3g}).", growth,
        step, largest.first, largest.second, smallest.first, smallest.second));
  }

  void tell_of_gradients() {
    std::map<int64_t, double> b;  // squared norms at the first recorded step, summed over a layer's modules
    std::map<int64_t, double> kept;
    for (const auto& [key, curve] : mean_)
      if (key.component == "B" && key.metric == "gradient_norm") b[*key.layer] += std::pow(curve.begin()->second, 2);
    if (!b.empty()) {
      const auto [least, greatest] = extremes_of(b);
      findings_.reading.push_back(
          fmt::format("At the first step the gradient of B is largest in layer {} ({:.3g}) and smallest in layer {} "
                      "({:.3g}).",
                      greatest.first, std::sqrt(greatest.second), least.first, std::sqrt(least.second)));
    }
    for (const auto& [layer, curve] : by_layer(mean_, "residual", "relative_gradient"))
      if (curve.rbegin()->first >= settled && curve.begin()->second > 0)
        kept[layer] = mean_after(curve, settled) / curve.begin()->second;
    if (kept.empty()) {
      findings_.notes.push_back(fmt::format(
          "The training is shorter than {} steps (or no later step was recorded): whether gradients vanish is not "
          "judged.",
          settled));
      return;
    }
    const auto [least, greatest] = extremes_of(kept);
    findings_.reading.push_back(fmt::format(
        "From step {} on the gradient of the residual stream, relative to that at the logits, is {:.2f} (layer {}) to "
        "{:.2f} (layer {}) times what it was at the start: {}.",
        settled, least.second, least.first, greatest.second, greatest.first,
        least.second < vanished ? fmt::format("it vanishes in layer {} (below {})", least.first, vanished)
                                : fmt::format("it vanishes nowhere (below {})", vanished)));
  }

  void tell_of_lens() {
    auto layers = by_layer(mean_, "residual", "kl");
    if (!layers.empty()) layers.erase(std::prev(layers.end()));  // the last layer's KL is 0
    if (layers.empty()) return;
    std::map<int64_t, double> change;
    for (const auto& [layer, curve] : layers) change[layer] = curve.rbegin()->second - curve.begin()->second;
    const auto in_words = [&](int64_t layer) {
      const Curve& curve = layers.at(layer);
      return fmt::format("{:+.3f} nats in layer {} (from {:.3f} to {:.3f})", change.at(layer), layer,
                         curve.begin()->second, curve.rbegin()->second);
    };
    const auto [least, greatest] = extremes_of(change);
    const Curve& steps = layers.begin()->second;
    findings_.reading.push_back(fmt::format(
        "From step {} to {} the lens' KL from the final prediction changes by {}{}.", steps.begin()->first,
        steps.rbegin()->first, in_words(least.first), layers.size() > 1 ? " to " + in_words(greatest.first) : ""));
  }

  void add_figure(const std::string& name, const std::string& title, const std::string& component,
                  const std::string& metric, const std::string& y_title, bool modules) {
    Figure figure;
    figure.name = "dynamics-" + name;
    figure.title = title;
    figure.where = {{"component", {component}}, {"metric", {metric}}};
    figure.x = "step";
    figure.x_title = "step";
    figure.y_title = y_title;
    figure.color = "layer";
    if (modules) figure.facet = "module";
    findings_.figures.push_back(std::move(figure));
  }

  void add_figures() {
    add_figure("gradient-a", "Gradient of A in training", "A", "gradient_norm", "norm", true);
    add_figure("gradient-b", "Gradient of B in training", "B", "gradient_norm", "norm", true);
    add_figure("gradient-residual", "Gradient at each layer's output, relative to that at the logits", "residual",
               "relative_gradient", "ratio of norms", false);
    add_figure("update", "Growth of the update", "BA", "norm", "‖s BA‖", true);
    add_figure("rank", "Effective rank of the update", "BA", "effective_rank", "effective rank", true);
    add_figure("lens", "Lens of each layer in training", "residual", "kl", "KL(final ‖ layer), nats", false);
    add_figure("half", "Step at which the update has half of its last norm", "BA", "half_norm_step", "step", false);
    findings_.figures.back().x = findings_.figures.back().x_title = "layer";
    findings_.figures.back().color = "model";
    std::erase_if(findings_.figures, [&](const Figure& figure) {
      return std::none_of(mean_.begin(), mean_.end(), [&](const auto& entry) {
        return entry.first.component == figure.where[0].second[0] && entry.first.metric == figure.where[1].second[0];
      });
    });
  }

  const Setting& setting_;
  Findings findings_;
  std::map<int64_t, Curves> folds_;
  Curves mean_;  // over folds
};

}  // namespace

std::unique_ptr<Analysis> make_dynamics(const Setting& setting) { return std::make_unique<Dynamics>(setting); }

}  // namespace loralens
