// SPDX-License-Identifier: Apache-2.0
// Similarity of representations by debiased CKA over clips (Kornblith et al., 2019; Nguyen et al., 2021): of A x with B
// A x and of their gradients, within one model; and of the residual streams of the adapted and the frozen model.
//
// B A x is a linear image of A x, and the gradient at A x is Bᵀ times that at B A x, so some alignment is built in.
// update_alignment.h therefore has null distributions, and an alignment that does not depend on the gauge. A and B are
// not identifiable separately, so their values are computed again in the balanced gauge.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>

#include <algorithm>

#include "analysis/adapted_modules.h"
#include "analysis/alignment/paper.h"
#include "analysis/alignment/update_alignment.h"
#include "analysis/alignment/words.h"
#include "analysis/analyses.h"
#include "analysis/curves.h"
#include "analysis/gauges.h"
#include "analysis/minibatches.h"
#include "base/enum.h"
#include "statistics/cka.h"

namespace loralens {
namespace {

using at::Tensor;

// The Grams of the clip means (set 0), or those of the sampled frames (sets 1..F). grams: (1+F)×n×n.
Tensor sets_of(const Tensor& grams, bool frames) {
  return frames ? grams.narrow(0, 1, grams.size(0) - 1) : grams.narrow(0, 0, 1);
}

class Alignment : public Analysis {
 public:
  explicit Alignment(const Setting& setting)
      : setting_(setting),
        curves_(setting),
        update_(setting),
        minibatches_(setting, [this](const Minibatch& m) { use(m); }) {}

  bool wants(Part part, Role role) const override {
    return part == Part::test && (role != Role::untrained || !setting_.adapted.empty());
  }
  bool wants(Part part, Role role, const Site& site) const override {
    if (!wants(part, role)) return false;
    if (site.kind == SiteKind::adapter_down || update_.wants(site)) return role != Role::frozen;
    return role != Role::untrained &&
           (site.kind == SiteKind::residual_out || (site.kind == SiteKind::residual_in && site.layer == 0));
  }
  bool wants_gradient(Part part, Role role, const Site& site) const override {
    return wants(part, role) && role != Role::frozen && site.kind == SiteKind::adapter_up;
  }

  void begin_fold(const FoldSubjects& fold) override;
  void see(const BatchView& view, const Site& site, const Tensor& value) override {
    minibatches_.see(view, {view.subject.role, site, false}, value);
    if (update_.wants(site)) update_.see(view, site, value);
  }
  void see_gradient(const BatchView& view, const Site& site, const Tensor& gradient) override {
    minibatches_.see(view, {view.subject.role, site, true}, gradient);
    update_.see(view, site, gradient);
  }
  void end_part(const FoldSubjects&, Part part) override {
    if (part == Part::test) minibatches_.flush();
  }
  void end_fold(const FoldSubjects& fold) override;
  Findings finish() override;

 private:
  using Of = std::pair<Role, Place>;

  void use(const Minibatch& minibatch);
  void use_adapter(const Of& of, const Minibatch& minibatch);
  void compare(const RowKey& key, const Gauge& gauge, const Tensor& first, const Tensor& second,
               const std::vector<std::string>& groups);
  void use_residuals(const Minibatch& minibatch);
  void add(int64_t fold, const RowKey& key, double value, const Interval& interval);
  void add_map(int64_t fold);
  std::set<std::string> compared() const;  // modules
  void add_notes(Findings& findings) const;

  const Setting& setting_;
  FoldCurves curves_;
  UpdateAlignment update_;
  Minibatches minibatches_;
  // State of the current fold:
  std::map<Of, std::vector<Gauge>> gauges_;
  std::map<RowKey, MinibatchCka> values_;
  Tensor map_;  // 2(N+1)×2(N+1): sums of HSIC₁ between the adapted model's streams, then the frozen one's
  int64_t clips_before_ = 0;  // clips used in earlier folds

  int64_t constant_ = 0;  // number of undefined values
  std::set<std::string> other_;  // modules whose adapters have no factors A and B
};

void Alignment::begin_fold(const FoldSubjects& fold) {
  update_.begin_fold(fold);
  gauges_.clear();
  for (const Role role : {Role::adapted, Role::untrained})
    for (const auto& [place, adapter] : fold.of(role).model.adapted.adapters.linear) {
      if (const auto factors = adapter->factors())
        gauges_[{role, place}] = gauges_of(*factors);
      else
        other_.insert(std::string(name_of(place.module)));
    }
}

void Alignment::use(const Minibatch& minibatch) {
  for (const auto& [of, gauges] : gauges_) use_adapter(of, minibatch);
  update_.use(minibatch);
  use_residuals(minibatch);
}

void Alignment::use_adapter(const Of& of, const Minibatch& minibatch) {
  const auto& [role, place] = of;
  const auto find = [&](SiteKind kind, bool gradient) {
    const auto found = minibatch.samples.find({role, {kind, place.layer, place.module}, gradient});
    return found == minibatch.samples.end() ? Tensor() : found->second.to(c10::ScalarType::Double);
  };
  const Tensor down = find(SiteKind::adapter_down, false);  // (1+F)×n×R: A x
  const Tensor gradient = find(SiteKind::adapter_up, true);  // (1+F)×n×out: at B A x
  RowKey key{.model = std::string(name_of(role)),
             .layer = place.layer,
             .module = std::string(name_of(place.module)),
             .metric = "cka"};
  for (const Gauge& gauge : gauges_.at(of)) {
    if (down.defined()) {
      const Tensor x = at::matmul(down, gauge.change.t());
      key.component = "forward";
      compare(key, gauge, gram(x), gram(at::matmul(x, gauge.factor.root.t())), minibatch.groups);
    }
    if (!gradient.defined()) continue;
    key.component = "gradient";
    compare(key, gauge, gram(at::matmul(gradient, gauge.factor.b)), gram(gradient), minibatch.groups);
  }
}

// first, second: Grams at A x and at B A x.
void Alignment::compare(const RowKey& key, const Gauge& gauge, const Tensor& first, const Tensor& second,
                        const std::vector<std::string>& groups) {
  for (const bool frames : {false, true}) {
    RowKey named = key;
    named.variant = alignment_variant(frames, gauge.name);
    values_[named].add(centre(sets_of(first, frames), groups), centre(sets_of(second, frames), groups));
  }
}

void Alignment::use_residuals(const Minibatch& minibatch) {
  std::vector<Tensor> frames[2];  // adapted, frozen: the flattened centred Grams of each layer
  for (const int64_t layer : streams_of(setting_)) {
    const Site site = layer < 0 ? Site{SiteKind::residual_in, 0} : Site{SiteKind::residual_out, layer};
    Tensor grams[2];
    for (const Role role : {Role::adapted, Role::frozen}) {
      const auto found = minibatch.samples.find({role, site, false});
      if (found == minibatch.samples.end()) return;
      grams[ordinal(role)] = gram(found->second);
    }
    RowKey key{.model = "adapted-frozen", .layer = layer, .component = "residual", .metric = "cka"};
    for (const bool of_frames : {false, true}) {
      key.variant = alignment_variant(of_frames, "");
      const CentredGrams pair[] = {centre(sets_of(grams[0], of_frames), minibatch.groups),
                                   centre(sets_of(grams[1], of_frames), minibatch.groups)};
      values_[key].add(pair[0], pair[1]);
      for (size_t i = 0; of_frames && i < 2; ++i) frames[i].push_back(pair[i].all.flatten());
    }
  }
  const Tensor all = at::cat({at::stack(frames[0]), at::stack(frames[1])});  // 2(N+1)×(F·n²)
  // Weighted as in MinibatchCka.
  const Tensor sums = at::matmul(all, all.t()) / static_cast<double>(std::ssize(minibatch.groups) - 3);
  map_ = map_.defined() ? map_ + sums : sums;
}

void Alignment::add(int64_t fold, const RowKey& key, double value, const Interval& interval) {
  if (std::isnan(value))
    ++constant_;
  else
    curves_.add(fold, key, value, interval.low, interval.high, minibatches_.used() - clips_before_);
}

void Alignment::add_map(int64_t fold) {
  const auto layers = streams_of(setting_);
  const auto count = std::ssize(layers);
  const Tensor root = map_.diagonal().sqrt();
  const Tensor cka = map_ / root.unsqueeze(0) / root.unsqueeze(1);
  const auto values = cka.accessor<double, 2>();
  for (const auto& [model, first] : {std::pair{"adapted", int64_t{0}}, std::pair{"adapted-frozen", count}})
    for (int64_t i = 0; i < count; ++i)
      for (int64_t j = 0; j < count; ++j)
        add(fold,
            {.model = model,
             .variant = "frames",
             .layer = layers[i],
             .component = layer_component(layers[j]),
             .metric = "cka"},
            values[i][first + j], {NAN, NAN});
}

void Alignment::end_fold(const FoldSubjects& fold) {
  for (const auto& [key, cka] : values_) add(fold.fold, key, cka.value(), cka.interval());
  if (map_.defined()) add_map(fold.fold);
  update_.end_fold(fold.fold, minibatches_.used() - clips_before_, curves_);
  values_.clear();
  map_ = Tensor();
  clips_before_ = minibatches_.used();
}

std::set<std::string> Alignment::compared() const {
  std::set<std::string> modules;
  for (const Place& place : setting_.adapted)
    if (!other_.contains(std::string(name_of(place.module)))) modules.insert(std::string(name_of(place.module)));
  return modules;
}

void Alignment::add_notes(Findings& findings) const {
  if (const std::string note = setting_.note_on_site_adapters(); !note.empty())
    findings.notes.push_back(note);
  else if (setting_.adapted.empty())
    findings.notes.push_back(fmt::format(
        "The model has no adapter, so there is no A and B to compare, {}",
        setting_.compared ? "only residual streams." : "and no frozen model to compare its residual stream with."));
  for (const std::string& module : other_)
    findings.notes.push_back(fmt::format("The adapters of {} have no two factors A and B to compare.", module));
  if (!setting_.compared) return;
  if (minibatches_.used() == 0)
    findings.notes.push_back(fmt::format("CKA needs at least 4 clips; {} were seen.", minibatches_.dropped()));
  else
    findings.notes.push_back(
        fmt::format("Minibatches of at most {} clips: clip means, and {} sampled frames a clip "
                    "(frames).",
                    clips_in_minibatch, frames_of_clip));
  if (minibatches_.used() > 0 && minibatches_.dropped() > 0)
    findings.notes.push_back(
        fmt::format("{} clips were left over, too few for a minibatch, and were dropped.", minibatches_.dropped()));
  for (std::string& note : update_.notes()) findings.notes.push_back(std::move(note));
  if (constant_ > 0)
    findings.notes.push_back(fmt::format(
        "{} values are undefined, because a representation is the same for all clips (B is 0).", constant_));
}

Findings Alignment::finish() {
  Findings findings;
  findings.measures =
      "Similarity of two representations over clips (debiased linear CKA): A x and B A x, the gradients at both, "
      "and the residual streams of the adapted and the frozen model. Alignment of the update ΔW with the covariance of "
      "its input and of the gradient at its output.";
  findings.source = "CKA: Kornblith et al., 2019; debiased by minibatches: Nguyen, Raghu and Kornblith, 2021";
  findings.caveat =
      "B A x is a linear image of A x, and the gradient at A x is Bᵀ times that at B A x: only a difference from "
      "random updates with the same singular values (p_adjusted) is evidence about training. A and B are not "
      "identifiable separately, so use the balanced gauge, or strength and efficiency, which depend on ΔW and on the "
      "covariances over the fold's test clips. Each training step adds directions of the gradient to ΔW, so an "
      "alignment with the gradient below chance can hardly occur. Gradients are dominated by misclassified clips. CKA "
      "follows the directions of largest variance and can miss small but decisive ones. Intervals of a fold's CKA: "
      "jackknife over speakers; of mean efficiencies and their difference: over folds and runs, wider for the folds' "
      "different test clips.";
  update_.finish(curves_);
  findings.rows = curves_.rows();
  update_.annotate(findings.rows);
  // The heat maps' second axis has the order of the rows: sort it by layer number, not by name.
  std::ranges::stable_sort(findings.rows, {}, [](const Row& row) { return layer_of_component(row.key.component); });
  add_notes(findings);
  if (findings.rows.empty()) return findings;
  findings.figures = alignment_figures(setting_, compared());
  findings.reading = alignment_reading(setting_, findings.rows);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_alignment(const Setting& setting) {
  if (setting.protocol.as_published) return make_paper_alignment(setting);
  return std::make_unique<Alignment>(setting);
}

}  // namespace loralens
