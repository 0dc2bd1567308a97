// SPDX-License-Identifier: Apache-2.0
// Difference lens: is the adaptation a constant bias, or a change that depends on the clip?
//
// δ_l is the mean over clips of h_l(adapted) - h_l(frozen), the states after layer l, each averaged over the clip's
// positions: over reference clips (--reference-clips), training clips and test clips. δ_l of the reference clips, or of
// the training clips without such a list, is added to every position of the frozen model's state after layer l; the
// adapted model's head reads the result. Null: random directions of the same norm.
#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <cmath>
#include <map>

#include "analysis/analyses.h"
#include "analysis/answer_curves.h"
#include "analysis/curves.h"
#include "analysis/difference_lens/mean_difference.h"
#include "analysis/difference_lens/words.h"
#include "analysis/null_draws.h"
#include "analysis/recovered_share.h"
#include "base/random.h"
#include "statistics/normal_values.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t draw_count = 19;  // random directions for each layer and fold

RowKey key_of(const std::string& variant, std::optional<int64_t> layer, const char* component,
              const char* metric = "") {
  return {.model = "adapted", .variant = variant, .layer = layer, .component = component, .metric = metric};
}

class DifferenceLens : public Analysis {
 public:
  explicit DifferenceLens(const Setting& setting)
      : setting_(setting), curves_(setting), logits_(setting), of_folds_(setting), null_(NullDraws::Tail::high) {}

  bool wants(Part part, Role role) const override { return part != Part::sample && role != Role::untrained; }
  bool wants_residuals(Part part, Role role) const override { return wants(part, role); }
  bool wants_models_together(Part part) const override { return part != Part::sample; }

  void begin_fold(const FoldSubjects& fold) override;
  void end_models(const ModelViews& views) override;
  void end_fold(const FoldSubjects& fold) override;
  Findings finish() override;

 private:
  void steer(const BatchView& adapted, const BatchView& frozen);
  void read(const BatchView& frozen, const Head& head, int64_t layer, const Tensor& added);
  std::vector<Row> recovered(std::vector<std::string>& notes) const;

  const Setting& setting_;
  AnswerCurves curves_;
  ClipCurves logits_;
  FoldCurves of_folds_;
  NullDraws null_;
  std::string source_ = "training";  // of the added differences
  std::map<std::string, std::vector<MeanDifference>> differences_;  // of this fold: by source and layer
  // Of this fold, by layer: log-probabilities summed over test clips, for the added difference and for each draw.
  std::vector<std::vector<double>> sums_;
  std::map<int64_t, std::vector<ClipValue>> steered_;  // by layer
  ClipValues adapted_, frozen_;
};

std::string source_of(Part part) {
  return part == Part::fit ? "training" : part == Part::reference ? "reference" : "test";
}

void DifferenceLens::begin_fold(const FoldSubjects& fold) {
  differences_.clear();
  sums_.assign(setting_.layers, std::vector<double>(1 + draw_count));
  source_ = fold.reference.empty() ? "training" : "reference";
}

void DifferenceLens::end_models(const ModelViews& views) {
  const BatchView &adapted = views.of(Role::adapted), &frozen = views.of(Role::frozen);
  auto& of_layers = differences_[source_of(adapted.part)];
  of_layers.resize(setting_.layers);
  for (int64_t layer = 0; layer < setting_.layers; ++layer)
    for (const Tensor& clip : adapted.speech_of(adapted.residuals[layer + 1] - frozen.residuals[layer + 1]))
      of_layers[layer].add(clip.mean(0).to(c10::ScalarType::Double).cpu());
  if (adapted.part == Part::test && differences_.contains(source_)) steer(adapted, frozen);
}

void DifferenceLens::steer(const BatchView& adapted, const BatchView& frozen) {
  const Head* const head = &adapted.subject.model.head;
  const auto logits_of = [&](const BatchView& view, int64_t layer, const Tensor& x) {
    return view.logits_under({&head, 1}, layer, x).front();
  };
  for (const auto& [view, values] : {std::pair{&adapted, &adapted_}, std::pair{&frozen, &frozen_}}) {
    RowKey key = key_of("", {}, "none");
    key.model = name_of(view->subject.role);
    const auto log_p = curves_.add(*view, key, logits_of(*view, setting_.layers, view->residuals.back()));
    for (size_t i = 0; i < log_p.size(); ++i) (*values)[{view->fold.fold, view->clips[i]}] = log_p[i];
  }
  for (int64_t layer = 0; layer < setting_.layers; ++layer) {
    const Tensor& state = frozen.residuals[layer + 1];
    const Tensor mean = differences_.at(source_)[layer].mean();
    const Tensor added = mean.to(state.options());
    const auto log_p =
        curves_.add(frozen, key_of(source_, layer, "steered"), logits_of(frozen, layer + 1, state + added));
    for (size_t i = 0; i < log_p.size(); ++i) {
      steered_[layer].push_back({frozen.fold.fold, frozen.clips[i], log_p[i]});
      sums_[layer][0] += log_p[i];
    }
    Random random(hash_of(setting_.seed, hash_of("difference lens"), frozen.fold.fold, layer));
    for (int64_t draw = 1; draw <= draw_count; ++draw) {
      const Tensor direction = normal_values(mean.sizes(), random);
      const Tensor noise = (direction * (mean.norm() / direction.norm())).to(state.options());
      const Tensor log_p_of_draw = log_probabilities(logits_of(frozen, layer + 1, state + noise));
      for (size_t i = 0; i < frozen.clips.size(); ++i)
        sums_[layer][draw] += log_p_of_draw[static_cast<int64_t>(i)][setting_.labels[frozen.clips[i]]].item<double>();
    }
    read(frozen, *head, layer, added);
  }
}

// What the head reads in the difference: the change of each class's logit in the lens of the frozen model.
void DifferenceLens::read(const BatchView& frozen, const Head& head, int64_t layer, const Tensor& added) {
  if (!head.reads_last_layer()) return;
  const Head* const reader = &head;
  const Tensor& state = frozen.residuals[layer + 1];
  const auto lens = [&](const Tensor& x) { return frozen.logits_under({&reader, 1}, setting_.layers, x).front(); };
  const Tensor change = (lens(state + added) - lens(state)).to(c10::ScalarType::Double).cpu();
  for (size_t i = 0; i < frozen.clips.size(); ++i)
    for (size_t c = 0; c < setting_.classes.size(); ++c) {
      RowKey key = key_of(source_, layer, "delta", "logit");
      key.class_name = setting_.classes[c];
      logits_.add(frozen.fold.fold, frozen.clips[i], key,
                  change[static_cast<int64_t>(i)][static_cast<int64_t>(c)].item<double>());
    }
}

void DifferenceLens::end_fold(const FoldSubjects& fold) {
  const auto tested = differences_.find("test");
  for (const auto& [source, of_layers] : differences_)
    for (int64_t layer = 0; layer < setting_.layers; ++layer) {
      const MeanDifference& difference = of_layers[layer];
      const auto add = [&](const char* metric, double value) {
        if (std::isfinite(value))
          of_folds_.add(fold.fold, key_of(source, layer, "delta", metric), value, NAN, NAN, difference.clips());
      };
      add("constant_share", difference.constant_share());
      if (source == "test" || tested == differences_.end()) continue;
      const Tensor a = difference.mean(), b = tested->second[layer].mean();
      add("cosine", (a.dot(b) / (a.norm() * b.norm())).item<double>());
    }
  if (tested == differences_.end() || !differences_.contains(source_)) return;
  const auto clips = static_cast<double>(fold.test.size());
  for (int64_t layer = 0; layer < setting_.layers; ++layer) {
    std::vector<double> draws;
    for (int64_t draw = 1; draw <= draw_count; ++draw) draws.push_back(sums_[layer][draw] / clips);
    null_.add(fold.fold, key_of(source_, layer, "steered", "log_probability"), sums_[layer][0] / clips,
              std::move(draws));
  }
}

std::vector<Row> DifferenceLens::recovered(std::vector<std::string>& notes) const {
  std::vector<Row> rows;
  std::string reason;
  for (const auto& [layer, values] : steered_) {
    auto row = recovered_share(setting_, key_of(source_, layer, "steered"), values, frozen_, adapted_,
                               /*into_frozen=*/true);
    if (row.value)
      rows.push_back(std::move(*row.value));
    else
      reason = row.reason;
  }
  if (!reason.empty())
    notes.push_back(
        fmt::format("No recovered shares: what the adaptation adds to the log-probability of the true class cannot be "
                    "distinguished from 0: {}.",
                    reason));
  return rows;
}

Findings DifferenceLens::finish() {
  Findings findings;
  findings.rows = curves_.rows();
  null_.annotate(findings.rows);
  for (Row& row : findings.rows) row.p = row.p_adjusted = NAN;  // the draws are too few for a test
  for (const auto& more : {logits_.rows(), of_folds_.rows(), recovered(findings.notes)})
    findings.rows.insert(findings.rows.end(), more.begin(), more.end());
  if (findings.rows.empty())
    findings.notes.push_back("No test clip was seen, so nothing could be measured.");
  else if (steered_.empty())
    findings.notes.push_back(
        "Nothing was added to the frozen model, because there are neither training clips nor --reference-clips.");
  describe_difference_lens(setting_, source_, findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_difference_lens(const Setting& setting) {
  return std::make_unique<DifferenceLens>(setting);
}

}  // namespace loralens
