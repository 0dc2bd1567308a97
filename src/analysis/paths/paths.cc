// SPDX-License-Identifier: Apache-2.0
// Paths: does the adaptation of a layer change the answer by itself, or through the later layers, which compute
// something else from the changed states? (path patching: Goldowsky-Dill et al., 2023)
//
// In the frozen model's pass, layer l alone is the adapted one; d_l is what that changes in its output. Three ways lead
// from d_l to the head:
//   direct: d_l is added to the output of the last layer, so that no layer sees it;
//   total: the later layers see it;
//   via-k: d_l is added to the input of layer k alone, and what changes in the output of layer k (attention and MLP,
//     without d_l) is added to the output of the last layer.
// The effect of a path is the log-probability of the true class with it, minus that without; `relayed` is total -
// direct.
#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "analysis/analyses.h"
#include "analysis/answer_curves.h"
#include "analysis/causal/two_models.h"
#include "analysis/paths/words.h"

namespace loralens {
namespace {

using at::Tensor;

class Paths : public TwoModelAnalysis {
 public:
  explicit Paths(const Setting& setting) : TwoModelAnalysis(setting, "paths"), answers_(setting), effects_(setting) {}

  bool wants_models_together(Part part) const override { return part == Part::test; }
  void end_models(const ModelViews& views) override;
  Findings finish() override;

 private:
  using LogP = std::vector<std::vector<double>>;  // by head and clip: of the true class

  LogP read(const BatchView& view, std::optional<int64_t> layer, const std::string& component, int64_t first,
            const Tensor& x);
  void add_effect(const BatchView& view, std::optional<int64_t> layer, const std::string& component, const LogP& with,
                  const LogP& without);
  void follow(const BatchView& frozen, const LogP& plain, int64_t layer, const Tensor& change);

  AnswerCurves answers_;
  ClipCurves effects_;
  LogP direct_, relayed_;  // of the current batch: sums over layers
};

// Layer `layer` of the view's model on another residual stream.
Tensor run_layer(const BatchView& view, int64_t layer, const Tensor& x) {
  Pass pass = view.pass;
  pass.taps = nullptr;
  return run(view.subject.encoder, view.subject.model.adapted.adapters, x, {layer, layer + 1}, pass);
}

void Paths::end_models(const ModelViews& views) {
  const BatchView &adapted = views.of(Role::adapted), &frozen = views.of(Role::frozen);
  const LogP whole = read(adapted, {}, "none", setting_.layers, adapted.residuals.back()),
             plain = read(frozen, {}, "none", setting_.layers, frozen.residuals.back());
  add_effect(frozen, {}, "adaptation", whole, plain);
  direct_.assign(plain.size(), std::vector<double>(frozen.clips.size()));
  relayed_ = direct_;
  for (int64_t layer = -1; layer < setting_.layers; ++layer) {
    const Tensor after = layer < 0 ? adapted.residuals.front() : run_layer(adapted, layer, frozen.residuals[layer]);
    const Tensor change = after - frozen.residuals[layer + 1];
    if (change.any().item<bool>()) follow(frozen, plain, layer, change);
  }
  const LogP nothing(plain.size(), std::vector<double>(frozen.clips.size()));
  add_effect(frozen, {}, "direct", direct_, nothing);
  add_effect(frozen, {}, "relayed", relayed_, nothing);
}

// The paths from the change (ΣT×D) of the output of `layer`.
void Paths::follow(const BatchView& frozen, const LogP& plain, int64_t layer, const Tensor& change) {
  const Tensor& end = frozen.residuals.back();
  const LogP direct = read(frozen, layer, "direct", setting_.layers, end + change),
             total = read(frozen, layer, "total", layer + 1, frozen.residuals[layer + 1] + change);
  add_effect(frozen, layer, "direct", direct, plain);
  add_effect(frozen, layer, "total", total, plain);
  add_effect(frozen, layer, "relayed", total, direct);
  for (size_t h = 0; h < plain.size(); ++h)
    for (size_t i = 0; i < frozen.clips.size(); ++i) {
      direct_[h][i] += direct[h][i] - plain[h][i];
      relayed_[h][i] += total[h][i] - direct[h][i];
    }
  for (int64_t via = layer + 1; via < setting_.layers; ++via) {
    const Tensor& input = frozen.residuals[via];
    const Tensor added = run_layer(frozen, via, input + change) - change - frozen.residuals[via + 1];
    const std::string component = fmt::format("via-{}", via);
    add_effect(frozen, layer, component, read(frozen, layer, component, setting_.layers, end + added), plain);
  }
}

// Reads a pass of the view's model from the residual stream x at the input of layer `first` with each head, and adds
// its answers.
Paths::LogP Paths::read(const BatchView& view, std::optional<int64_t> layer, const std::string& component,
                        int64_t first, const Tensor& x) {
  const auto logits = view.logits_under(heads_.heads(), first, x);
  LogP log_p;
  for (size_t h = 0; h < logits.size(); ++h) {
    log_p.push_back(answers_.add(view,
                                 {.model = std::string(name_of(view.subject.role)),
                                  .variant = heads_.variant(h),
                                  .layer = layer,
                                  .component = component},
                                 logits[h]));
  }
  return log_p;
}

void Paths::add_effect(const BatchView& view, std::optional<int64_t> layer, const std::string& component,
                       const LogP& with, const LogP& without) {
  for (size_t h = 0; h < with.size(); ++h) {
    const RowKey key{.model = "adapted-frozen",
                     .variant = heads_.variant(h),
                     .layer = layer,
                     .component = component,
                     .metric = "effect"};
    for (size_t i = 0; i < view.clips.size(); ++i)
      effects_.add(view.fold.fold, view.clips[i], key, with[h][i] - without[h][i]);
  }
}

Findings Paths::finish() {
  Findings findings;
  findings.rows = effects_.rows();
  for (Row& row : answers_.rows()) findings.rows.push_back(std::move(row));
  findings.notes = notes_;
  if (findings.rows.empty()) findings.notes.push_back("No test clip was seen, so nothing could be measured.");
  describe_paths(setting_, findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_paths(const Setting& setting) { return std::make_unique<Paths>(setting); }

}  // namespace loralens
