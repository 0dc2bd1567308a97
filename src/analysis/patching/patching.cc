// SPDX-License-Identifier: Apache-2.0
// Activation patching between the adapted and the frozen model (Vig et al., 2020; Meng et al., 2022): the same clip
// passes through both, and one layer's output in one of them is replaced by the other's.
//
// adapted-into-frozen shows the layers whose adapted states suffice for the gain, frozen-into-adapted those whose
// states are necessary for it. One head reads both models: the adapted model's. If the frozen model has another head,
// that one is used too (variants ...-head-frozen). A third head is refitted to the last layers of both models on
// training clips, so that it favours neither (...-head-refitted). The recovered share R compares log-probabilities of
// the true class in the three passes, summed over clips:
//   R = Σ(patched - frozen) / Σ(adapted - frozen), in the other direction Σ(adapted - patched) / Σ(adapted - frozen).
// Its interval is a jackknife over speakers (and runs). R is left out if the interval of Σ(adapted - frozen) holds 0.
#include <ATen/ops/stack.h>
#include <fmt/format.h>

#include <array>
#include <map>
#include <string>

#include "analysis/analyses.h"
#include "analysis/answer_curves.h"
#include "analysis/causal/patch.h"
#include "analysis/causal/two_models.h"
#include "analysis/patching/words.h"
#include "analysis/recovered_share.h"

namespace loralens {
namespace {

using at::Tensor;

class Patching : public TwoModelAnalysis {
 public:
  explicit Patching(const Setting& setting) : TwoModelAnalysis(setting, "patching"), curves_(setting) {}

  bool wants_models_together(Part part) const override { return part == Part::test; }
  void end_models(const ModelViews& views) override;
  Findings finish() override;

 private:
  void patch(const BatchView& source, const BatchView& target, const std::string& direction);
  void add(const BatchView& view, const RowKey& key, const Tensor& logits);
  std::vector<Row> recovered(std::map<std::string, std::string>& untold) const;

  AnswerCurves curves_;
  std::map<RowKey, std::vector<ClipValue>> values_;  // metric log_probability
  std::vector<ClipFinding> clips_;
};

void Patching::end_models(const ModelViews& views) {
  const BatchView &adapted = views.of(Role::adapted), &frozen = views.of(Role::frozen);
  for (const BatchView* view : {&adapted, &frozen}) {
    const auto logits = view->logits_under(heads_.heads(), setting_.layers, view->residuals.back());
    for (size_t h = 0; h < logits.size(); ++h)
      add(*view, {.model = std::string(name_of(view->subject.role)), .variant = heads_.variant(h), .component = "none"},
          logits[h]);
  }
  patch(adapted, frozen, "adapted-into-frozen");
  patch(frozen, adapted, "frozen-into-adapted");
}

void Patching::patch(const BatchView& source, const BatchView& target, const std::string& direction) {
  const auto& suffixes = heads_.suffixes();
  std::vector<Tensor> answers;  // of the adapted model's head, after the patch of each layer's output
  for (int64_t layer = -1; layer < setting_.layers; ++layer) {
    const auto read = [&](const char* component, int64_t first, const Tensor& x,
                          const std::vector<Intervention*>& interventions) {
      const auto logits = target.logits_under(heads_.heads(), first, x, interventions);
      for (size_t h = 0; h < suffixes.size(); ++h)
        add(target, {.model = "adapted", .variant = direction + suffixes[h], .layer = layer, .component = component},
            logits[h]);
      if (first == layer + 1) answers.push_back(probabilities(logits.front()));
    };
    read("residual", layer + 1, source.residuals[layer + 1], {});
    if (layer < 0) continue;
    const auto values = source.values_at(layer, patched_sites);
    for (size_t p = 0; p < values.size(); ++p) {
      Patch patch({patched_sites[p], layer}, values[p]);
      read(patched_parts[p], layer, target.residuals[layer], {&patch});
    }
  }
  if (source.subject.role == Role::adapted) source.tell("patched", at::stack(answers, 1), clips_);  // B×(N+1)×C
}

// key: without its metric.
void Patching::add(const BatchView& view, const RowKey& key, const Tensor& logits) {
  const auto log_p = curves_.add(view, key, logits);
  RowKey probability = key;
  probability.metric = "log_probability";
  for (size_t i = 0; i < view.clips.size(); ++i)
    values_[probability].push_back({view.fold.fold, view.clips[i], log_p[i]});
}

// Rows of R, averaged over runs. untold: receives each head (by its suffix) under which the gain may be 0, so that R is
// left out, with the reason.
std::vector<Row> Patching::recovered(std::map<std::string, std::string>& untold) const {
  std::vector<Row> rows;
  for (const auto& [key, patched] : values_) {
    if (key.component == "none") continue;
    const size_t mark = key.variant.find("-head-");
    const std::string head = mark == std::string::npos ? "" : key.variant.substr(mark + 1);
    ClipValues adapted, frozen;
    for (const auto& [model, values] : {std::pair{"adapted", &adapted}, std::pair{"frozen", &frozen}})
      for (const ClipValue& v :
           values_.at({.model = model, .variant = head, .component = "none", .metric = "log_probability"}))
        (*values)[{v.fold, v.clip}] = v.log_p;
    auto row = recovered_share(setting_, key, patched, frozen, adapted, key.variant.starts_with("adapted-into-frozen"));
    if (row.value)
      rows.push_back(std::move(*row.value));
    else
      untold[head] = row.reason;
  }
  return rows;
}

Findings Patching::finish() {
  Findings findings;
  findings.rows = curves_.rows();
  std::map<std::string, std::string> untold;
  for (Row& row : recovered(untold)) findings.rows.push_back(std::move(row));
  findings.notes = notes_;
  findings.clips = clips_;
  if (findings.rows.empty()) findings.notes.push_back("No test clip was seen, so nothing could be measured.");
  for (const auto& [head, reason] : untold)
    findings.notes.push_back(fmt::format(
        "No recovered shares under the {}: the effect of the adaptation on the log-probability of the true class "
        "cannot be distinguished from 0: {}.",
        head.empty()            ? "adapted model's head"
        : head == "head-frozen" ? "frozen model's head"
                                : "refitted head",
        reason));
  describe_patching(setting_, findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_patching(const Setting& setting) { return std::make_unique<Patching>(setting); }

}  // namespace loralens
