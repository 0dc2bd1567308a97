// SPDX-License-Identifier: Apache-2.0
// Which rank-one parts of the update ΔW matter, and what intruder dimensions cause.
//
// With the singular value decomposition ΔW = Σ σ_i u_i v_iᵀ of each adapted linear layer, W + Σ λ_i σ_i u_i v_iᵀ
// replaces the adapted weight: components are removed (λ 0), scaled, or kept alone, in all layers at once, and ΔW is
// truncated to its first k components. The derivative of the loss by λ_i, σ_i u_iᵀ (∂L/∂W) v_i, tells the same to first
// order for each layer by itself. Intruder dimensions of W + ΔW are scaled in the same way, beside ordinary components
// of nearly the same singular value (Shuttleworth et al., 2024).
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/stack.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <map>
#include <optional>

#include "analysis/analyses.h"
#include "analysis/answer_curves.h"
#include "analysis/components/edits.h"
#include "analysis/components/update_components.h"
#include "analysis/components/words.h"
#include "analysis/recovered_share.h"

namespace loralens {
namespace {

using at::Tensor;

// The loss's derivative by the weight of each component, for each clip: B×r, float64, CPU.
using Sensitivities = std::map<Place, Tensor>;

class Components : public Analysis {
 public:
  explicit Components(const Setting& setting)
      : setting_(setting), answers_(setting), clips_(setting), weights_(setting) {}

  bool wants(Part part, Role role) const override { return part == Part::test && role == Role::adapted; }
  bool wants_residuals(Part part, Role role) const override { return wants(part, role); }

  void begin_fold(const FoldSubjects& fold) override;
  void end_batch(const BatchView& view) override;
  Findings finish() override;

 private:
  void add_weights(int64_t fold);
  Sensitivities sensitivities(const BatchView& view) const;
  void add_sensitivities(const BatchView& view);
  void add_edits(const BatchView& view);
  std::vector<Row> recovered(std::vector<std::string>& notes) const;

  const Setting& setting_;
  AnswerCurves answers_;
  ClipCurves clips_;
  FoldCurves weights_;
  std::map<RowKey, std::vector<ClipValue>> values_;  // log-probabilities with truncated and kept components
  ClipValues adapted_, base_;
  std::optional<DecomposedModel> model_;  // of this fold
  int64_t most_ = 0;  // components of a layer, in the first fold
  int64_t without_intruders_ = 0;  // models
  std::vector<std::string> notes_;
};

RowKey place_key(const Place& place, const std::string& variant, const char* metric) {
  return {.model = "adapted",
          .variant = variant,
          .layer = place.layer,
          .module = std::string(name_of(place.module)),
          .component = "update",
          .metric = metric};
}

std::string component_name(int64_t i) { return fmt::format("component-{}", i + 1); }

// The key with this metric.
RowKey with_metric(RowKey key, const char* metric) {
  key.metric = metric;
  return key;
}

void Components::begin_fold(const FoldSubjects& fold) {
  std::string reason;
  model_ = decompose(setting_, fold, reason);
  if (!model_) {
    notes_.push_back(fmt::format("{}: {}.", setting_.folder_of(fold.fold), reason));
    return;
  }
  most_ = std::max(most_, model_->most_components());
  if (fold.fold == 0)
    if (std::string note = setting_.note_on_site_adapters(); !note.empty()) notes_.push_back(std::move(note));
  without_intruders_ += model_->intruders() == 0;
  add_weights(fold.fold);
}

void Components::add_weights(int64_t fold) {
  double squares[2] = {0, 0};
  for (const auto& [place, parts] : model_->places) {
    for (int64_t i = 0; i < std::min(parts.components(), leading_components); ++i)
      weights_.add(fold, place_key(place, component_name(i), "sigma"), parts.values[i].item<double>());
    for (const double value : parts.pairs.intruder_values) squares[0] += value * value;
    for (const double value : parts.pairs.ordinary_values) squares[1] += value * value;
  }
  RowKey key{.model = "adapted", .component = "intruders"};
  weights_.add(fold, with_metric(key, "count"), static_cast<double>(model_->intruders()));
  weights_.add(fold, with_metric(key, "squared_sigma"), squares[0]);
  key.component = "ordinary";
  weights_.add(fold, with_metric(key, "squared_sigma"), squares[1]);
}

void Components::end_batch(const BatchView& view) {
  if (!model_) return;
  add_edits(view);
  add_sensitivities(view);
}

void Components::add_edits(const BatchView& view) {
  const int64_t first = model_->first_layer();
  const Head& head = view.subject.model.head;
  const auto plain = answers_.add(view, {.model = "adapted", .component = "none"}, view.logits);
  for (size_t i = 0; i < plain.size(); ++i) adapted_[{view.fold.fold, view.clips[i]}] = plain[i];
  std::map<RowKey, std::vector<double>> of_pairs;
  for (const Edit& edit : edits_of(most_, model_->intruders() > 0)) {
    const AdapterSet adapters = model_->with(edit.weights);
    const auto log_p = answers_.add(
        view, edit.key,
        logits_from({model_->encoder, adapters, head}, view.residuals[first], first, view.pass, view.residuals));
    const bool share = edit.key.component == "truncate" || edit.key.component == "keep";
    for (size_t i = 0; i < log_p.size(); ++i) {
      clips_.add(view.fold.fold, view.clips[i], with_metric(edit.key, "change"), log_p[i] - plain[i]);
      if (share) values_[with_metric(edit.key, "log_probability")].push_back({view.fold.fold, view.clips[i], log_p[i]});
      if (edit.key.component == "truncate" && edit.key.layer == 0) base_[{view.fold.fold, view.clips[i]}] = log_p[i];
    }
    if (edit.key.component == "intruders") of_pairs[edit.key] = log_p;
    if (edit.key.component != "ordinary") continue;
    RowKey partner = edit.key;
    partner.component = "intruders";
    const auto& of_intruders = of_pairs.at(partner);
    partner.component = "intruders-ordinary";
    for (size_t i = 0; i < log_p.size(); ++i)
      clips_.add(view.fold.fold, view.clips[i], with_metric(partner, "change"), of_intruders[i] - log_p[i]);
  }
}

Sensitivities Components::sensitivities(const BatchView& view) const {
  const at::AutoGradMode enabled(true);
  const int64_t first = model_->first_layer();
  const Tensor& x = view.residuals[first];
  std::vector<Tensor> weights;  // ΣT×K of each place, all rows equal
  AdapterSet adapters = model_->others;
  for (const auto& [place, parts] : model_->places) {
    const Tensor plain = parts.plain().to(x.options());
    weights.push_back(plain.expand({x.size(0), plain.size(0)}).clone().requires_grad_());
    adapters.linear[place] = std::make_shared<WeightedParts>(parts, weights.back().to(parts.left.scalar_type()));
  }
  const Tensor logits =
      logits_from({model_->encoder, adapters, view.subject.model.head}, x, first, view.pass, view.residuals);
  const auto gradients = torch::autograd::grad({view.loss_of(logits)}, weights);
  Sensitivities found;
  size_t p = 0;
  for (const auto& [place, parts] : model_->places) {
    std::vector<Tensor> of_clips;
    const Tensor of_rows = gradients[p++].narrow(1, 0, parts.components()).to(c10::ScalarType::Double);
    for (const Tensor& rows : of_rows.split_with_sizes(view.clip_rows)) of_clips.push_back(rows.sum(0));
    found[place] = at::stack(of_clips).cpu();
  }
  return found;
}

void Components::add_sensitivities(const BatchView& view) {
  const Sensitivities found = sensitivities(view);
  for (int64_t b = 0; b < std::ssize(view.clips); ++b) {
    const auto add = [&](const RowKey& key, double value) { clips_.add(view.fold.fold, view.clips[b], key, value); };
    std::vector<double> removed(std::min(most_, leading_components));
    for (const auto& [place, values] : found) {
      const Tensor of_clip = values[b];
      for (int64_t i = 0; i < std::min(of_clip.size(0), leading_components); ++i) {
        const auto value = of_clip[i].item<double>();
        removed[i] += value;
        add(place_key(place, component_name(i), "sensitivity"), value);
      }
      add(place_key(place, "", "sensitivity"), of_clip.sum().item<double>());
    }
    // To first order the loss changes by -Σ ∂L/∂λ if λ falls from 1 to 0, and the log-probability by Σ ∂L/∂λ.
    for (size_t i = 0; i < removed.size(); ++i)
      add({.model = "adapted",
           .variant = lambda_name(0),
           .layer = static_cast<int64_t>(i) + 1,
           .component = "scale",
           .metric = "first_order"},
          removed[i]);
  }
}

std::vector<Row> Components::recovered(std::vector<std::string>& notes) const {
  std::vector<Row> rows;
  std::string reason;
  for (const auto& [key, values] : values_) {
    auto row = recovered_share(setting_, key, values, base_, adapted_, /*into_frozen=*/true);
    if (row.value)
      rows.push_back(std::move(*row.value));
    else
      reason = row.reason;
  }
  if (!reason.empty())
    notes.push_back(fmt::format(
        "No recovered shares: what all components together add to the log-probability of the true class cannot be "
        "distinguished from 0: {}.",
        reason));
  return rows;
}

Findings Components::finish() {
  Findings findings;
  findings.notes = notes_;
  findings.rows = answers_.rows();
  for (const auto& more : {clips_.rows(), recovered(findings.notes)})
    findings.rows.insert(findings.rows.end(), more.begin(), more.end());
  if (!findings.rows.empty()) {  // the weights of folds without test clips alone are no finding
    const auto more = weights_.rows();
    findings.rows.insert(findings.rows.end(), more.begin(), more.end());
    if (without_intruders_ > 0)
      findings.notes.push_back(fmt::format(
          "{} of {} models: no intruder dimension among the ten leading ones of any adapted weight, so none is scaled.",
          without_intruders_, setting_.folds));
  } else if (findings.notes.empty()) {
    findings.notes.emplace_back("No test clip was seen, so nothing could be measured.");
  }
  describe_components(most_, findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_components(const Setting& setting) { return std::make_unique<Components>(setting); }

}  // namespace loralens
