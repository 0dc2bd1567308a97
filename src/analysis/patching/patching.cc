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
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>

#include <fmt/format.h>

#include <array>
#include <map>
#include <set>
#include <string>

#include "analysis/analyses.h"
#include "analysis/answer_curves.h"
#include "analysis/patching/words.h"
#include "analysis/recovered_share.h"
#include "analysis/refitted_head.h"
#include "base/random.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr std::array kinds = {std::pair{"attention", SiteKind::attention_out}, std::pair{"mlp", SiteKind::mlp_out}};

// Replaces the value at one site.
class Patch : public Intervention {
 public:
  Patch(const Site& site, Tensor value) : site_(site), value_(std::move(value)) {}
  bool wants(const Site& site) const override { return site == site_; }
  Tensor replace(const Pass&, const Site&, const Tensor&, int64_t) override { return value_; }

 private:
  Site site_;
  Tensor value_;  // ΣT×D
};

bool same_head(const Head& a, const Head& b) {
  const auto first = parameters_of(a), second = parameters_of(b);
  if (first.size() != second.size()) return false;
  for (size_t i = 0; i < first.size(); ++i)
    if (!at::equal(first[i].tensor, second[i].tensor)) return false;
  return true;
}

class Patching : public Analysis {
 public:
  explicit Patching(const Setting& setting) : setting_(setting), curves_(setting) {}

  bool wants(Part part, Role role) const override {
    return (part == Part::test || part == Part::fit) && role != Role::untrained;
  }
  bool wants_residuals(Part part, Role role) const override { return wants(part, role); }
  bool wants_models_together(Part part) const override { return part == Part::test; }

  void begin_fold(const FoldSubjects& fold) override {
    heads_.clear();
    suffixes_.clear();
    read_with("", fold.adapted.model.head);
    if (!same_head(fold.adapted.model.head, fold.frozen.model.head)) read_with("-head-frozen", fold.frozen.model.head);
    samples_ = {};
  }
  void end_batch(const BatchView& view) override;
  void end_part(const FoldSubjects& fold, Part part) override;
  void end_models(const ModelViews& views) override;
  Findings finish() override;

 private:
  // What the refitted head is fitted to: the last layer of both models on training clips.
  struct Samples {
    std::vector<Tensor> states;  // B×D a batch, float64
    std::vector<int64_t> labels;  // by clip, as below
    std::vector<std::string> speakers;
  };

  void read_with(const std::string& suffix, const Head& head) {
    suffixes_.push_back(suffix);
    heads_.push_back(&head);
  }
  void patch(const BatchView& source, const BatchView& target, const std::string& direction);
  void add(const BatchView& view, const RowKey& key, const Tensor& logits);
  std::vector<Row> recovered(std::map<std::string, std::string>& untold) const;

  const Setting& setting_;
  AnswerCurves curves_;
  std::map<RowKey, std::vector<ClipValue>> values_;  // metric log_probability
  std::vector<const Head*> heads_;  // each reads both models
  std::vector<std::string> suffixes_;  // of the heads' variants
  Samples samples_;
  Head refitted_;  // defined once heads_ has it
  std::vector<std::string> notes_;
};

void Patching::end_batch(const BatchView& view) {
  if (view.part != Part::fit) return;
  const Head last;  // reads the last layer's output
  const Network network{view.subject.encoder, view.subject.model.adapted.adapters, last};
  samples_.states.push_back(
      head_states(network, view.residuals.back(), setting_.layers, view.pass).to(c10::ScalarType::Double).cpu());
  for (const int64_t clip : view.clips) {
    samples_.labels.push_back(setting_.labels[clip]);
    samples_.speakers.push_back(setting_.group_of(clip));
  }
}

void Patching::end_part(const FoldSubjects& fold, Part part) {
  if (part != Part::fit) return;
  const auto held_out =
      held_out_clips(samples_.speakers, hash_of(setting_.seed, hash_of("patching"), static_cast<uint64_t>(fold.fold)));
  if (held_out.empty()) {
    notes_.push_back(
        fmt::format("{}: no refitted head, as there are too few training clips.", setting_.folder_of(fold.fold)));
    return;
  }
  const RefittedHead fitted = fit_refitted_head(
      {at::cat(samples_.states), at::tensor(samples_.labels, c10::ScalarType::Long), {}, std::ssize(setting_.classes)},
      held_out);
  refitted_ = fitted.head(fold.adapted.model.head.projector.weight.options().requires_grad(false));
  read_with("-head-refitted", refitted_);
}

void Patching::end_models(const ModelViews& views) {
  const BatchView &adapted = views.of(Role::adapted), &frozen = views.of(Role::frozen);
  for (const BatchView* view : {&adapted, &frozen}) {
    const auto logits = view->logits_under(heads_, setting_.layers, view->residuals.back());
    for (size_t h = 0; h < heads_.size(); ++h)
      add(*view,
          {.model = std::string(name_of(view->subject.role)),
           .variant = suffixes_[h].empty() ? "" : suffixes_[h].substr(1),
           .component = "none"},
          logits[h]);
  }
  patch(adapted, frozen, "adapted-into-frozen");
  patch(frozen, adapted, "frozen-into-adapted");
}

void Patching::patch(const BatchView& source, const BatchView& target, const std::string& direction) {
  for (int64_t layer = -1; layer < setting_.layers; ++layer) {
    const auto read = [&](const char* component, int64_t first, const Tensor& x,
                          const std::vector<Intervention*>& interventions) {
      const auto logits = target.logits_under(heads_, first, x, interventions);
      for (size_t h = 0; h < heads_.size(); ++h)
        add(target, {.model = "adapted", .variant = direction + suffixes_[h], .layer = layer, .component = component},
            logits[h]);
    };
    read("residual", layer + 1, source.residuals[layer + 1], {});
    if (layer < 0) continue;
    for (const auto& [component, kind] : kinds) {
      const Site site{kind, layer};
      Patch patch(site, source.value_at(site));
      read(component, layer, target.residuals[layer], {&patch});
    }
  }
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
