// SPDX-License-Identifier: Apache-2.0
// Depth centroid of what the adapters earn, against random updates with the same singular values: does the adaptation
// specialise late?
//
// The Shapley share φ_l of each layer (analysis ablation) gives the centroid C = Σ l |φ_l| / Σ |φ_l|. The same is done
// with 19 random updates of each fold. The trained model and each random one are read by a head of its own, a
// regression fitted to the last layer of the training clips with all adapters on.
#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "analysis/ablation/layer_sets.h"
#include "analysis/ablation/set_values.h"
#include "analysis/ablation/set_walk.h"
#include "analysis/analyses.h"
#include "analysis/answer_curves.h"
#include "analysis/depth/centroid.h"
#include "analysis/depth/random_updates.h"
#include "analysis/depth/words.h"
#include "analysis/refitted_head.h"
#include "base/random.h"
#include "statistics/intervals/student.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t draw_count = 19;  // random updates of each fold
constexpr std::array metrics = {"log_probability", "uar"};

RowKey key_of(const char* component, std::optional<int64_t> layer, const char* metric = "") {
  return {.model = "adapted", .layer = layer, .component = component, .metric = metric};
}

class Depth : public Analysis {
 public:
  explicit Depth(const Setting& setting) : setting_(setting), trained_(setting) {}

  bool wants(Part part, Role role) const override {
    return (part == Part::test || part == Part::fit) && role == Role::adapted;
  }
  bool wants_residuals(Part part, Role role) const override { return wants(part, role); }

  void begin_fold(const FoldSubjects& fold) override;
  void end_batch(const BatchView& view) override;
  void end_part(const FoldSubjects& fold, Part part) override;
  void end_fold(const FoldSubjects& fold) override;
  Findings finish() override;

 private:
  // The trained adapters or a random update, its head, and the values of its passes over a fold's test clips.
  struct Candidate {
    AdapterSet adapters;
    std::vector<Tensor> states;  // B×D a batch of training clips, float64: the last layer, with all adapters
    Head head;
    std::vector<double> log_p;  // of each set, summed over clips
    std::vector<Confusion> confusions;  // of each set
  };

  void pass_sets(const BatchView& view, Candidate& candidate, bool trained);
  std::vector<double> centroids(const Candidate& candidate) const;  // by metric
  void add_rows(size_t metric, std::vector<Row>& rows) const;

  const Setting& setting_;
  AnswerCurves trained_;  // under key_of_set()
  SetPlan plan_;
  std::vector<Candidate> candidates_;  // of this fold, the trained adapters first; empty: not possible
  std::vector<int64_t> labels_;  // of the training clips passed so far
  std::vector<std::string> speakers_;
  std::array<std::map<int64_t, FoldDraws>, metrics.size()> centroids_;  // by metric and fold
  std::vector<std::string> notes_;
};

void Depth::begin_fold(const FoldSubjects& fold) {
  candidates_.clear();
  labels_.clear();
  speakers_.clear();
  const Adapted& adapted = fold.adapted.model.adapted;
  if (adapted.adapters.linear.empty() || !adapted.adapters.sites().empty() || adapted.encoder_trained) {
    notes_.push_back(
        fmt::format("{}: no random updates, which exist only for models whose adapters are all updates ΔW of linear "
                    "layers.",
                    setting_.folder_of(fold.fold)));
    return;
  }
  if (plan_.layers == 0) {
    std::set<int64_t> layers;
    for (const Place& place : setting_.adapted) layers.insert(place.layer);
    plan_ = plan_sets({layers.begin(), layers.end()}, setting_.layers, hash_of(setting_.seed, hash_of("ablation")));
  }
  if (plan_.adapted.size() < 2) {
    notes_.push_back(
        fmt::format("{}: no centroid, because only one layer has adapters.", setting_.folder_of(fold.fold)));
    return;
  }
  candidates_.push_back({.adapters = adapted.adapters});
  for (AdapterSet& update : random_updates(fold.adapted.model, *setting_.base, draw_count,
                                           hash_of(setting_.seed, hash_of("depth"), fold.fold)))
    candidates_.push_back({.adapters = std::move(update)});
  for (Candidate& candidate : candidates_) {
    candidate.log_p.resize(plan_.sets.size());
    candidate.confusions.assign(plan_.sets.size(), Confusion(std::ssize(setting_.classes)));
  }
}

void Depth::end_batch(const BatchView& view) {
  if (candidates_.empty()) return;
  const int64_t first = plan_.adapted.front();
  if (view.part == Part::test) {
    for (Candidate& candidate : candidates_) pass_sets(view, candidate, &candidate == candidates_.data());
    return;
  }
  const Head last;  // reads the last layer's output
  for (Candidate& candidate : candidates_)
    candidate.states.push_back(
        head_states({*setting_.base, candidate.adapters, last}, view.residuals[first], first, view.pass)
            .to(c10::ScalarType::Double)
            .cpu());
  for (const int64_t clip : view.clips) {
    labels_.push_back(setting_.labels[clip]);
    speakers_.push_back(setting_.group_of(clip));
  }
}

void Depth::end_part(const FoldSubjects& fold, Part part) {
  if (part != Part::fit || candidates_.empty()) return;
  const auto held_out =
      held_out_clips(speakers_, hash_of(setting_.seed, hash_of("depth"), static_cast<uint64_t>(fold.fold)));
  if (held_out.empty()) {
    notes_.push_back(
        fmt::format("{}: no refitted head, as there are too few training clips.", setting_.folder_of(fold.fold)));
    candidates_.clear();
    return;
  }
  const Tensor labels = at::tensor(labels_, c10::ScalarType::Long);
  const auto type = setting_.base->norm.weight.options().requires_grad(false);
  for (Candidate& candidate : candidates_) {
    candidate.head =
        fit_refitted_head({at::cat(candidate.states), labels, {}, std::ssize(setting_.classes)}, held_out).head(type);
    candidate.states.clear();
  }
}

void Depth::pass_sets(const BatchView& view, Candidate& candidate, bool trained) {
  const Encoder& base = *setting_.base;
  const Embeddings embeddings{view.residuals.front(), view.residuals.front()};
  const Tensor logits =
      at::stack(logits_of_sets({base, candidate.adapters, base}, candidate.head, embeddings, plan_.sets, view.pass))
          .to(c10::ScalarType::Double);
  const Tensor log_p = at::log_softmax(logits, -1).cpu();  // sets×B×C
  const auto values = log_p.accessor<double, 3>();
  for (size_t set = 0; set < plan_.sets.size(); ++set) {
    const auto of_set = static_cast<int64_t>(set);
    if (trained) trained_.add(view, key_of_set(set), log_p[of_set]);
    for (size_t i = 0; i < view.clips.size(); ++i) {
      const auto of_clip = values[of_set][static_cast<int64_t>(i)];
      const int64_t truth = setting_.labels[view.clips[i]];
      candidate.log_p[set] += of_clip[truth];
      int64_t predicted = 0;
      for (int64_t c = 1; c < of_clip.size(0); ++c)
        if (of_clip[c] > of_clip[predicted]) predicted = c;
      candidate.confusions[set].add(truth, predicted);
    }
  }
}

std::vector<double> Depth::centroids(const Candidate& candidate) const {
  std::vector<double> found;
  for (size_t metric = 0; metric < metrics.size(); ++metric) {
    std::vector<double> shares;
    for (const WeightedSets& weighted : plan_.shares) {
      double share = 0;
      for (const auto& [set, weight] : weighted)
        share += weight * (metric == 0 ? candidate.log_p[set] : uar(candidate.confusions[set]));
      shares.push_back(share);
    }
    found.push_back(depth_centroid(plan_.adapted, shares));
  }
  return found;
}

void Depth::end_fold(const FoldSubjects& fold) {
  if (candidates_.empty() || fold.test.empty()) return;
  std::array<FoldDraws, metrics.size()> draws;
  for (const Candidate& candidate : candidates_) {
    const auto found = centroids(candidate);
    for (size_t metric = 0; metric < metrics.size(); ++metric)
      if (&candidate == candidates_.data())
        draws[metric].value = found[metric];
      else
        draws[metric].draws.push_back(found[metric]);
  }
  for (size_t metric = 0; metric < metrics.size(); ++metric) {
    const bool finite = std::isfinite(draws[metric].value) &&
                        std::ranges::all_of(draws[metric].draws, [](double draw) { return std::isfinite(draw); });
    if (finite)
      centroids_[metric][fold.fold] = std::move(draws[metric]);
    else
      notes_.push_back(fmt::format("{}: no centroid of {}, because no set of adapters changes it.",
                                   setting_.folder_of(fold.fold), metrics[metric]));
  }
}

// Rows of the centroid and of its z: over all folds, and of each fold's centroid if there are several.
void Depth::add_rows(size_t metric, std::vector<Row>& rows) const {
  if (centroids_[metric].empty()) return;
  std::vector<FoldDraws> folds;
  for (const auto& [fold, draws] : centroids_[metric]) folds.push_back(draws);
  const auto row_of = [&](std::span<const FoldDraws> some, std::optional<int64_t> fold) {
    const DrawTest test = compare_with_draws(some);
    double mean = 0;
    for (const FoldDraws& of_fold : some) mean += of_fold.value / static_cast<double>(some.size());
    const double half = student_bound(0.95, test.degrees) * test.error;
    return Row{.key = key_of("centroid", {}, metrics[metric]),
               .fold = fold,
               .value = mean,
               .n = std::ssize(some),
               .p = test.p_high(),
               .null_low = mean - test.difference - half,
               .null_high = mean - test.difference + half,
               .null_draws = draw_count};
  };
  const bool several = setting_.folds > 1;
  Row all = row_of(folds, several ? std::nullopt : std::optional(centroids_[metric].begin()->first));
  if (several) all.estimand = "fold-mean";
  Row z = all;
  z.key.component = "centroid-z";
  z.value = compare_with_draws(folds).z();
  z.null_low = z.null_high = NAN;
  rows.push_back(all);
  rows.push_back(z);
  if (several)
    for (const auto& [fold, draws] : centroids_[metric]) rows.push_back(row_of({&draws, 1}, fold));
}

Findings Depth::finish() {
  Findings findings;
  findings.notes = notes_;
  if (!centroids_[0].empty()) {
    findings.rows = trained_.weighted(key_of("gain", {}), terms_of(gain_of(plan_)));
    for (size_t i = 0; i < plan_.adapted.size(); ++i)
      for (Row& row : trained_.weighted(key_of("shapley", plan_.adapted[i]), terms_of(plan_.shares[i])))
        findings.rows.push_back(std::move(row));
    for (size_t metric = 0; metric < metrics.size(); ++metric) add_rows(metric, findings.rows);
  }
  describe_depth(findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_depth(const Setting& setting) { return std::make_unique<Depth>(setting); }

}  // namespace loralens
