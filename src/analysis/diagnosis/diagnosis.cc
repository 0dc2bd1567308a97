// SPDX-License-Identifier: Apache-2.0
// Diagnosis of a training: was the adaptation weak, did its gradients vanish, is it over-specialised? Each by a rule on
// numbers with intervals (rules.h), and with the training that would refute it.
#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/analyses.h"
#include "analysis/answer_curves.h"
#include "analysis/causal/two_models.h"
#include "analysis/curves.h"
#include "analysis/diagnosis/words.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr double smallest_ratio = 1e-30;  // counts for a gradient of 0

class Diagnosis : public TwoModelAnalysis {
 public:
  explicit Diagnosis(const Setting& setting)
      : TwoModelAnalysis(setting, "diagnosis"), curves_(setting), answers_(setting) {
    for (const Place& place : setting.adapted) lowest_ = std::min(lowest_, place.layer);
    for (const Site& site : setting.adapted_sites) lowest_ = std::min(lowest_, site.layer);
    if (setting.adapted.empty() && setting.adapted_sites.empty())  // weights or biases of the encoder are trained
      lowest_ = setting.models.empty() ? 0 : setting.models.front().first_adapted_layer();
  }

  bool wants_models_together(Part part) const override { return part == Part::test; }
  bool wants_gradient(Part part, Role role, const Site& site) const override {
    return part == Part::test && role == Role::adapted && site.kind == SiteKind::residual_out && site.layer >= lowest_;
  }
  bool wants_random_cotangent(Part part, Role role) const override {
    return part == Part::test && role == Role::adapted;
  }

  void end_batch(const BatchView& view) override;
  void end_models(const ModelViews& views) override;
  void see_gradient(const BatchView& view, const Site& site, const Tensor& gradient) override;
  void end_gradients(const BatchView& view) override;
  Findings finish() override;

 private:
  static RowKey answers_of(const char* model, const char* component, const std::string& variant = "") {
    return {.model = model, .variant = variant, .component = component};
  }
  void add_answers(const BatchView& view, const RowKey& key, const Tensor& logits);

  int64_t lowest_ = INT64_MAX;  // the lowest adapted layer
  ClipCurves curves_;
  ConfusionCurves answers_;
  std::string frozen_head_;  // which head reads the frozen model
  std::map<int64_t, std::vector<double>> norms_;  // of this backward pass: of each clip's gradient, by layer
};

void Diagnosis::add_answers(const BatchView& view, const RowKey& key, const Tensor& logits) {
  const Tensor predicted = logits.argmax(1).cpu();
  for (size_t i = 0; i < view.clips.size(); ++i)
    answers_.add(view.fold.fold, view.clips[i], key, predicted.const_data_ptr<int64_t>()[i]);
}

void Diagnosis::end_batch(const BatchView& view) {
  TwoModelAnalysis::end_batch(view);
  if (view.part == Part::fit && view.subject.role == Role::adapted)
    add_answers(view, answers_of("adapted", "training"), view.logits);
}

void Diagnosis::end_models(const ModelViews& views) {
  const BatchView &adapted = views.of(Role::adapted), &frozen = views.of(Role::frozen);
  // The frozen model by its own head if it has one, else by the refitted one.
  const size_t reader = heads_.heads().size() > 1 ? 1 : 0;
  const auto of_frozen = frozen.logits_under(heads_.heads(), setting_.layers, frozen.residuals.back());
  const Tensor changed = (probabilities(adapted.logits) - probabilities(of_frozen.front())).abs().sum(1) / 2;
  for (size_t i = 0; i < adapted.clips.size(); ++i)
    curves_.add(adapted.fold.fold, adapted.clips[i],
                {.model = "adapted-frozen", .component = "logits", .metric = "total_variation"},
                changed[static_cast<int64_t>(i)].item<double>(), MeanOf::amounts);
  if (reader == 0) return;  // no head that was made for the frozen model
  if (frozen_head_.empty()) frozen_head_ = heads_.variant(reader);
  if (frozen_head_ != heads_.variant(reader)) return;  // the same kind of head in all folds
  add_answers(adapted, answers_of("adapted", "test"), adapted.logits);
  add_answers(frozen, answers_of("frozen", "test", frozen_head_), of_frozen[reader]);
}

void Diagnosis::see_gradient(const BatchView& view, const Site& site, const Tensor& gradient) {
  if (!view.random_cotangent) return;
  for (const Tensor& clip : view.speech_of(gradient))
    norms_[site.layer].push_back(clip.to(c10::ScalarType::Double).norm().item<double>());
}

void Diagnosis::end_gradients(const BatchView& view) {
  if (norms_.empty()) return;
  const std::vector<double>& last = norms_.at(setting_.layers - 1);
  for (const auto& [layer, norms] : norms_) {
    if (layer == setting_.layers - 1) continue;
    for (size_t i = 0; i < norms.size(); ++i)
      if (last[i] > 0)
        curves_.add(view.fold.fold, view.clips[i],
                    {.model = "adapted", .layer = layer, .component = "residual", .metric = "log10_gradient_ratio"},
                    std::log10(std::max(norms[i] / last[i], smallest_ratio)));
  }
  norms_.clear();
}

Findings Diagnosis::finish() {
  Findings findings;
  findings.notes = notes_;
  findings.rows = curves_.rows();
  for (Row& row : answers_.rows())
    if (row.key.metric == "uar") findings.rows.push_back(std::move(row));
  if (!frozen_head_.empty()) {
    const std::pair<RowKey, double> difference[] = {{answers_of("adapted", "test"), 1.0},
                                                    {answers_of("frozen", "test", frozen_head_), -1.0}};
    RowKey key = answers_of("adapted-frozen", "test", frozen_head_);
    key.metric = "uar";
    for (Row& row : answers_.weighted_uar(key, difference)) findings.rows.push_back(std::move(row));
  }
  describe_diagnosis(frozen_head_, findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_diagnosis(const Setting& setting) { return std::make_unique<Diagnosis>(setting); }

}  // namespace loralens
