// SPDX-License-Identifier: Apache-2.0
// Steering: is the direction that distinguishes a class in a layer enough to make the model answer with this class?
// (Turner et al., 2023; difference of means: Marks and Tegmark, 2024)
//
// d_lc is the mean over the fold's training clips of class c of the state after layer l (each clip averaged over its
// positions), minus the mean of the other classes' means. k·d_lc is added at every position of the state after layer l
// of a test clip, for each class c and dose k, in the adapted and in the frozen model. Null: random directions of the
// same norm, at dose 1.
#include <ATen/TensorOperators.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <array>
#include <map>

#include "analysis/analyses.h"
#include "analysis/answer_curves.h"
#include "analysis/causal/class_means.h"
#include "analysis/causal/other_class.h"
#include "analysis/causal/two_models.h"
#include "analysis/curves.h"
#include "analysis/null_draws.h"
#include "analysis/steering/doses.h"
#include "analysis/steering/words.h"
#include "base/device.h"
#include "base/random.h"
#include "statistics/normal_values.h"

namespace loralens {
namespace {

using at::Tensor;

// What a head answers for B clips when each class is the target in turn. B×C, float64.
struct Answers {
  Tensor probability;  // of the target
  Tensor chosen;  // 1 where the target is the answer, else 0

  explicit Answers(const Tensor& like) : probability(at::zeros_like(like)), chosen(at::zeros_like(like)) {}
  // logits: with the direction of this class.
  void set(int64_t target, const Tensor& logits) {
    const Tensor p = probabilities(logits);
    probability.select(1, target).copy_(p.select(1, target));
    chosen.select(1, target).copy_(p.argmax(1) == target);
  }
};

class Steering : public TwoModelAnalysis {
 public:
  explicit Steering(const Setting& setting)
      : TwoModelAnalysis(setting, "steering"), curves_(setting), null_(NullDraws::Tail::high) {}

  void begin_fold(const FoldSubjects& fold) override;
  void end_batch(const BatchView& view) override;
  void end_part(const FoldSubjects& fold, Part part) override;
  void end_fold(const FoldSubjects& fold) override;
  Findings finish() override;

 private:
  void see_training(const BatchView& view);
  void steer(const BatchView& view);
  void add(const BatchView& view, const RowKey& key, const Answers& steered, const Answers& plain, bool of_classes);
  void draw(const BatchView& view, int64_t layer, const std::vector<Answers>& of_directions);

  ClipCurves curves_;
  NullDraws null_;
  // Of this fold.
  std::map<Role, std::vector<ClassMeans>> means_;  // by layer
  std::map<Role, std::vector<Tensor>> directions_;  // by layer: C×D, float64; empty: there are none
  std::map<int64_t, int64_t> other_;  // of each test clip: one class that is not its own
  std::map<RowKey, std::vector<double>> sums_;  // of the rows `one-other`, over clips: the value, then each draw's
};

RowKey key_of(const BatchView& view, double dose, const std::string& suffix, std::optional<int64_t> layer) {
  return {.model = std::string(name_of(view.subject.role)), .variant = dose_name(dose) + suffix, .layer = layer};
}

void Steering::begin_fold(const FoldSubjects& fold) {
  TwoModelAnalysis::begin_fold(fold);
  directions_.clear();
  sums_.clear();
  const auto classes = std::ssize(setting_.classes);
  for (const Role role : {Role::adapted, Role::frozen}) means_[role].assign(setting_.layers, ClassMeans(classes));
  if (classes > 1) other_ = other_classes(fold.test, setting_.labels, classes);
}

void Steering::end_batch(const BatchView& view) {
  TwoModelAnalysis::end_batch(view);
  if (view.part == Part::fit)
    see_training(view);
  else if (!directions_.empty())
    steer(view);
}

void Steering::see_training(const BatchView& view) {
  for (int64_t layer = 0; layer < setting_.layers; ++layer) {
    std::vector<Tensor> states;
    for (const Tensor& clip : view.speech_of(view.residuals[layer + 1]))
      states.push_back(clip.to(c10::ScalarType::Double).mean(0));
    const Tensor all = at::stack(states).cpu();
    for (size_t i = 0; i < view.clips.size(); ++i)
      means_.at(view.subject.role)[layer].add(setting_.labels[view.clips[i]], all[static_cast<int64_t>(i)]);
  }
}

void Steering::end_part(const FoldSubjects& fold, Part part) {
  if (part != Part::fit) return;
  if (!means_.at(Role::adapted).front().complete() || setting_.classes.size() < 2) {
    notes_.push_back(
        fmt::format("{}: no steering, because a difference of class means needs training clips of each class.",
                    setting_.folder_of(fold.fold)));
    return;
  }
  TwoModelAnalysis::end_part(fold, part);
  for (const auto& [role, of_layers] : means_)
    for (const ClassMeans& means : of_layers) directions_[role].push_back(means.differences());
}

void Steering::steer(const BatchView& view) {
  const auto& suffixes = heads_.suffixes();
  const auto classes = std::ssize(setting_.classes);
  std::vector<Answers> plain;
  const auto unsteered = view.logits_under(heads_.heads(), setting_.layers, view.residuals.back());
  for (size_t h = 0; h < suffixes.size(); ++h) {
    plain.emplace_back(probabilities(unsteered[h]));
    for (int64_t c = 0; c < classes; ++c) plain[h].set(c, unsteered[h]);
    add(view, key_of(view, 0, suffixes[h], {}), plain[h], plain[h], suffixes[h].empty());
  }
  for (int64_t layer = 0; layer < setting_.layers; ++layer) {
    const Tensor& state = view.residuals[layer + 1];
    const Tensor directions = directions_.at(view.subject.role)[layer].to(state.options());
    for (const double dose : steering_doses) {
      std::vector<Answers> steered;
      for (const Answers& like : plain) steered.emplace_back(like.probability);
      for (int64_t c = 0; c < classes; ++c) {
        const auto logits = view.logits_under(heads_.heads(), layer + 1, state + directions[c] * dose);
        for (size_t h = 0; h < suffixes.size(); ++h) steered[h].set(c, logits[h]);
      }
      for (size_t h = 0; h < suffixes.size(); ++h)
        add(view, key_of(view, dose, suffixes[h], layer), steered[h], plain[h], suffixes[h].empty());
      if (dose == steering_null_dose) draw(view, layer, steered);
    }
  }
}

// key: without component and metric. of_classes: whether to add rows of each target class.
void Steering::add(const BatchView& view, const RowKey& key, const Answers& steered, const Answers& plain,
                   bool of_classes) {
  const auto classes = std::ssize(setting_.classes);
  const auto p = steered.probability.accessor<double, 2>(), chosen = steered.chosen.accessor<double, 2>(),
             before = plain.probability.accessor<double, 2>();
  for (int64_t i = 0; i < std::ssize(view.clips); ++i) {
    const int64_t clip = view.clips[i], label = setting_.labels[clip];
    const auto put = [&](const char* component, const char* metric, double value, MeanOf kind,
                         const std::string& class_name = "") {
      RowKey named = key;
      named.component = component;
      named.metric = metric;
      named.class_name = class_name;
      curves_.add(view.fold.fold, clip, named, value, kind);
    };
    double of_others = 0, share = 0, raised = 0, all = 0;
    for (int64_t c = 0; c < classes; ++c) {
      const char* component = c == label ? "own" : "others";
      all += p[i][c];
      if (c != label) {
        of_others += p[i][c] / static_cast<double>(classes - 1);
        share += chosen[i][c] / static_cast<double>(classes - 1);
        raised += (p[i][c] - before[i][c]) / static_cast<double>(classes - 1);
      }
      if (!of_classes) continue;
      put(component, "probability", p[i][c], MeanOf::numbers, setting_.classes[c]);
      put(component, "share", chosen[i][c], MeanOf::shares, setting_.classes[c]);
    }
    put("own", "probability", p[i][label], MeanOf::numbers);
    put("own", "share", chosen[i][label], MeanOf::shares);
    put("others", "probability", of_others, MeanOf::numbers);
    put("others", "share", share, MeanOf::shares);
    if (!key.layer) continue;
    put("own", "change", p[i][label] - before[i][label], MeanOf::numbers);
    put("others", "change", raised, MeanOf::numbers);
    put("all", "control", (all - 1) / static_cast<double>(classes - 1), MeanOf::numbers);
  }
}

// Rows `one-other` of dose 1: each clip is steered towards one other class, by its direction and by random ones of its
// norm.
void Steering::draw(const BatchView& view, int64_t layer, const std::vector<Answers>& of_directions) {
  const auto& suffixes = heads_.suffixes();
  const Tensor& state = view.residuals[layer + 1];
  std::vector<int64_t> targets;
  for (const int64_t clip : view.clips) targets.push_back(other_.at(clip));
  const Tensor index = on_device(targets, c10::kCPU).unsqueeze(1);  // B×1
  const Tensor norms = directions_.at(view.subject.role)[layer].norm(2, {1}).index_select(0, index.squeeze(1));
  const Tensor repeats = on_device(view.clip_rows, c10::kCPU);
  const Tensor lengths = at::repeat_interleave(norms, repeats).unsqueeze(1).to(state.options());  // ΣT×1
  std::vector<std::vector<double>*> sums;
  for (size_t h = 0; h < suffixes.size(); ++h) {
    RowKey key = key_of(view, steering_null_dose, suffixes[h], layer);
    key.component = "one-other";
    key.metric = "probability";
    const Tensor p = of_directions[h].probability.gather(1, index).squeeze(1);
    for (int64_t i = 0; i < std::ssize(view.clips); ++i)
      curves_.add(view.fold.fold, view.clips[i], key, p[i].item<double>());
    sums.push_back(&sums_.try_emplace(key, 1 + steering_draws).first->second);
    sums[h]->front() += p.sum().item<double>();
  }
  Random random(hash_of(setting_.seed, hash_of("steering"), view.fold.fold, layer));  // the same for all batches
  for (int64_t d = 1; d <= steering_draws; ++d) {
    const Tensor drawn = normal_values({setting_.width}, random);
    const Tensor direction = (drawn / drawn.norm()).to(state.options());
    const auto logits = view.logits_under(heads_.heads(), layer + 1, state + lengths * direction);
    for (size_t h = 0; h < suffixes.size(); ++h)
      (*sums[h])[d] += probabilities(logits[h]).gather(1, index).sum().item<double>();
  }
}

void Steering::end_fold(const FoldSubjects& fold) {
  const auto clips = static_cast<double>(fold.test.size());
  for (auto& [key, sums] : sums_) {
    for (double& sum : sums) sum /= clips;
    null_.add(fold.fold, key, sums.front(), {sums.begin() + 1, sums.end()});
  }
}

Findings Steering::finish() {
  Findings findings;
  findings.rows = curves_.rows();
  null_.annotate(findings.rows);
  findings.notes = notes_;
  if (findings.rows.empty() && notes_.empty())
    findings.notes.emplace_back("No test clip was seen, so nothing could be measured.");
  describe_steering(setting_, findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_steering(const Setting& setting) { return std::make_unique<Steering>(setting); }

}  // namespace loralens
