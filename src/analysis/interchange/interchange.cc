// SPDX-License-Identifier: Apache-2.0
// Interchange interventions: which subspace of a layer's states carries the answer, and from which layer on?
//
// Two clips of one speaker and text have different emotions, and the model answers both correctly. In a subspace of a
// layer's output one clip, the base, receives what the mean state of the other, the source, has and its own has not:
// h_t += R Rᵀ (mean_t h(source) - mean_t h(base)). R is searched for on training clips (subspace_search.h). If the
// answer is then that of the source, the subspace carries it. Null distributions: subspaces that are searched
// for in the same way with permuted classes of the sources, and random subspaces.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "analysis/analyses.h"
#include "analysis/answer_curves.h"
#include "analysis/causal/class_means.h"
#include "analysis/causal/two_models.h"
#include "analysis/concepts/concepts.h"
#include "analysis/curves.h"
#include "analysis/interchange/pairs.h"
#include "analysis/interchange/subspace_search.h"
#include "analysis/interchange/words.h"
#include "base/random.h"
#include "statistics/metrics.h"
#include "statistics/normal_values.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t draw_count = 3;  // of each null distribution, for each model, head, layer and fold
constexpr int64_t most_test_clips = 128;  // of a fold
constexpr int64_t batch_clips = 8;
constexpr std::array<Role, 2> read_models = {Role::adapted, Role::frozen};

// Exchanges between clips that a model answers correctly, under one head.
struct Exchanges {
  std::vector<std::unique_ptr<KeptBatch>> kept;
  std::map<int64_t, int64_t> sources;  // of the clips in the batches
  bool empty() const { return kept.empty(); }
};

// What a head answers after exchanges with one subspace: by clip.
struct Answers {
  std::map<int64_t, double> follows;  // 1 if the source's class is the answer, else 0; or the share of several draws
  std::map<int64_t, double> probability;  // of the source's class
  double deviation = 0;  // standard deviation over the draws of the share of clips that follow
};

// {clip: class}
std::map<int64_t, int64_t> by_clip(const std::vector<int64_t>& clips, const std::vector<int64_t>& classes) {
  std::map<int64_t, int64_t> found;
  for (size_t i = 0; i < clips.size(); ++i) found[clips[i]] = classes[i];
  return found;
}

// bases: one, or the draws of a null distribution, over which the answers are averaged.
Answers answers_after(const std::vector<ExchangeBatch>& batches, const Head& head, int64_t layer,
                      const std::vector<Tensor>& bases) {
  Answers all;
  std::vector<double> shares;
  for (const Tensor& basis : bases) {
    double followed = 0, clips = 0;
    for (const ExchangeBatch& batch : batches) {
      const Tensor p = probabilities(exchanged_logits(batch, head, layer, basis));
      const Tensor chosen = p.argmax(1);
      for (size_t i = 0; i < batch.targets.size(); ++i, ++clips) {
        const auto row = static_cast<int64_t>(i);
        const double follows = chosen[row].item<int64_t>() == batch.targets[i] ? 1 : 0;
        followed += follows;
        all.follows[batch.bases->clips[i]] += follows / static_cast<double>(bases.size());
        all.probability[batch.bases->clips[i]] +=
            p[row][batch.targets[i]].item<double>() / static_cast<double>(bases.size());
      }
    }
    shares.push_back(followed / clips);
  }
  if (bases.size() > 1) all.deviation = summarise(shares, 1).std;
  return all;
}

class Interchange : public TwoModelAnalysis {
 public:
  explicit Interchange(const Setting& setting)
      : TwoModelAnalysis(setting, "interchange"), groups_(setting), curves_(setting) {}

  void begin_fold(const FoldSubjects& fold) override;
  void end_batch(const BatchView& view) override;
  void end_fold(const FoldSubjects& fold) override;
  Findings finish() override;

 private:
  int64_t dimensions() const { return std::min(std::ssize(setting_.classes) - 1, setting_.width); }
  Exchanges exchanges(const FoldSubjects& fold, const Subject& subject, Part part, const Head& head) const;
  std::vector<ExchangeBatch> batches_of(const Exchanges& exchanges, const Subject& subject, Part part, int64_t layer,
                                        const std::map<int64_t, int64_t>& classes) const;
  Tensor search(const Exchanges& fit, const Subject& subject, const Head& head, int64_t layer,
                const std::map<int64_t, int64_t>& classes) const;
  void measure(const FoldSubjects& fold, const Subject& subject, const Head& head, const std::string& variant);
  void measure(const Exchanges& test, const Exchanges& fit, const Subject& subject, const Head& head, RowKey key);
  void add(int64_t fold, const RowKey& key, const Answers& answers, MeanOf kind);

  PairGroups groups_;
  ClipCurves curves_;
  std::vector<NamedArray> arrays_;
  // By key and fold, of the draws: standard deviation of their share of clips that follow, and the number of clips.
  std::map<RowKey, std::map<int64_t, std::pair<double, int64_t>>> deviations_;
  std::set<RowKey> layers_;  // with values: without component and metric
  // Of this fold.
  std::map<Part, std::set<int64_t>> chosen_;
  std::map<std::pair<Part, Role>, KeptClips> kept_;
};

void Interchange::begin_fold(const FoldSubjects& fold) {
  TwoModelAnalysis::begin_fold(fold);
  kept_.clear();
  for (const auto& [part, most] : {std::pair{Part::fit, setting_.fit_clips}, std::pair{Part::test, most_test_clips}})
    chosen_[part] = groups_.choose(fold.of(part), most,
                                   hash_of(setting_.seed, hash_of("interchange clips"),
                                           static_cast<uint64_t>(fold.fold % setting_.folds_of_a_run())));
}

void Interchange::end_batch(const BatchView& view) {
  TwoModelAnalysis::end_batch(view);
  kept_[{view.part, view.subject.role}].keep(view, chosen_.at(view.part));
}

void Interchange::end_fold(const FoldSubjects& fold) {
  const at::NoGradGuard no_gradients;
  for (const Role role : read_models)
    for (size_t h = 0; h < heads_.heads().size(); ++h) {
      const Head& head = *heads_.heads()[h];
      const std::string variant = heads_.variant(h);
      // A model is read by its own head and by the one that was fitted to both.
      const bool own = role == Role::adapted ? variant.empty() : variant == "head-frozen";
      if (own || variant == "head-refitted") measure(fold, fold.of(role), head, variant);
    }
  kept_.clear();
}

Exchanges Interchange::exchanges(const FoldSubjects& fold, const Subject& subject, Part part, const Head& head) const {
  const KeptClips& kept = kept_.at({part, subject.role});
  const auto batched = [&](const std::vector<int64_t>& clips, const auto& receive) {
    for (size_t first = 0; first < clips.size(); first += batch_clips)
      receive(kept.batch(setting_, fold, subject, part,
                         std::span(clips).subspan(first, std::min<size_t>(batch_clips, clips.size() - first))));
  };
  std::set<int64_t> right;
  batched(kept.clips(), [&](std::unique_ptr<KeptBatch> batch) {
    const Head* const reader = &head;
    const Tensor answers =
        batch->view.logits_under({&reader, 1}, setting_.layers, batch->view.residuals.back()).front().argmax(1).cpu();
    for (size_t i = 0; i < batch->clips.size(); ++i)
      if (answers.const_data_ptr<int64_t>()[i] == setting_.labels[batch->clips[i]]) right.insert(batch->clips[i]);
  });
  Exchanges found{.kept = {}, .sources = groups_.sources(right)};
  std::vector<int64_t> bases;
  for (const int64_t clip : kept.clips())
    if (found.sources.contains(clip)) bases.push_back(clip);
  batched(bases, [&](std::unique_ptr<KeptBatch> batch) { found.kept.push_back(std::move(batch)); });
  return found;
}

// classes: of each source; the search lowers the cross-entropy of these.
std::vector<ExchangeBatch> Interchange::batches_of(const Exchanges& exchanges, const Subject& subject, Part part,
                                                   int64_t layer, const std::map<int64_t, int64_t>& classes) const {
  const KeptClips& kept = kept_.at({part, subject.role});
  std::vector<ExchangeBatch> batches;
  for (const auto& bases : exchanges.kept) {
    ExchangeBatch& batch = batches.emplace_back();
    batch.bases = bases.get();
    std::vector<Tensor> differences;
    for (const int64_t clip : batch.bases->clips) {
      const int64_t source = exchanges.sources.at(clip);
      differences.push_back(kept.mean(source, layer + 1) - kept.mean(clip, layer + 1));
      batch.targets.push_back(classes.at(source));
    }
    batch.differences = at::stack(differences);
  }
  return batches;
}

// The search starts from the differences of the class means of the training clips.
Tensor Interchange::search(const Exchanges& fit, const Subject& subject, const Head& head, int64_t layer,
                           const std::map<int64_t, int64_t>& classes) const {
  const KeptClips& kept = kept_.at({Part::fit, subject.role});
  ClassMeans means(std::ssize(setting_.classes));
  for (const auto& [clip, label] : classes) means.add(label, kept.mean(clip, layer + 1));
  return find_subspace(means.differences().narrow(0, 0, dimensions()).t(),
                       batches_of(fit, subject, Part::fit, layer, classes), head, layer);
}

void Interchange::measure(const FoldSubjects& fold, const Subject& subject, const Head& head,
                          const std::string& variant) {
  const RowKey key{.model = std::string(name_of(subject.role)), .variant = variant};
  const auto note = [&](std::string_view why) {
    notes_.push_back(fmt::format("{}: no exchanges in the {} model{}, because {}.", setting_.folder_of(fold.fold),
                                 key.model, variant.empty() ? "" : " (" + variant + ")", why));
  };
  if (!kept_.contains({Part::fit, subject.role}) || !kept_.contains({Part::test, subject.role}))
    return note("there are no training clips or no test clips");
  std::vector<int64_t> clips_of_classes(setting_.classes.size());
  for (const int64_t clip : kept_.at({Part::fit, subject.role}).clips()) ++clips_of_classes[setting_.labels[clip]];
  if (std::ranges::count(clips_of_classes, 0) > 0)
    return note("some class has no training clip with a partner of another emotion");
  const Exchanges fit = exchanges(fold, subject, Part::fit, head);
  const Exchanges test = exchanges(fold, subject, Part::test, head);
  if (fit.empty() || test.empty())
    return note(fmt::format("no two {} clips of one {} have different emotions that it answers correctly",
                            fit.empty() ? "training" : "test", groups_.by_text() ? "speaker and text" : "speaker"));
  measure(test, fit, subject, head, key);
}

void Interchange::measure(const Exchanges& test, const Exchanges& fit, const Subject& subject, const Head& head,
                          RowKey key) {
  const int64_t fold = test.kept.front()->view.fold.fold;
  const std::vector<int64_t>& fitted = kept_.at({Part::fit, subject.role}).clips();
  const Concept emotion{
      .kind = Concept::Kind::emotion, .name = "emotion", .classes = setting_.classes, .labels = setting_.labels};
  Random random(hash_of(setting_.seed, hash_of("interchange"), static_cast<uint64_t>(fold)));
  const auto labels = by_clip(fitted, emotion.labels_of(fitted));
  std::vector<std::map<int64_t, int64_t>> permuted;
  for (int64_t draw = 0; draw < draw_count; ++draw)
    permuted.push_back(by_clip(fitted, permuted_labels(setting_, emotion, fitted, random)));
  const std::vector<int64_t>& tested = kept_.at({Part::test, subject.role}).clips();
  const auto of_tested = by_clip(tested, emotion.labels_of(tested));
  for (int64_t layer = 0; layer < setting_.layers; ++layer) {
    key.layer = layer;
    layers_.insert(key);
    const auto batches = batches_of(test, subject, Part::test, layer, of_tested);
    const auto put = [&](const char* component, const std::vector<Tensor>& bases) {
      RowKey named = key;
      named.component = component;
      const Answers answers = answers_after(batches, head, layer, bases);
      add(fold, named, answers, bases.size() > 1 ? MeanOf::numbers : MeanOf::shares);
      if (bases.size() > 1) deviations_[named][fold] = {answers.deviation, std::ssize(answers.follows)};
    };
    std::vector<Tensor> of_permuted, of_random;
    const Tensor found = search(fit, subject, head, layer, labels);
    for (int64_t draw = 0; draw < draw_count; ++draw) {
      of_permuted.push_back(search(fit, subject, head, layer, permuted[draw]));
      of_random.push_back(std::get<0>(at::linalg_qr(normal_values({setting_.width, dimensions()}, random))));
    }
    put("none", {at::zeros({setting_.width, 1}, c10::ScalarType::Double)});
    put("whole-mean", {at::eye(setting_.width, c10::ScalarType::Double)});
    put("subspace", {found});
    put("permuted", of_permuted);
    put("random", of_random);
    arrays_.push_back(
        {fmt::format("{}{}{}/layer-{}/fold-{:02}", key.model, key.variant.empty() ? "" : "-", key.variant, layer, fold),
         found});
  }
}

void Interchange::add(int64_t fold, const RowKey& key, const Answers& answers, MeanOf kind) {
  RowKey follows = key, probability = key;
  follows.metric = "follows";
  probability.metric = "probability";
  for (const auto& [clip, value] : answers.follows) curves_.add(fold, clip, follows, value, kind);
  for (const auto& [clip, value] : answers.probability) curves_.add(fold, clip, probability, value);
}

Findings Interchange::finish() {
  Findings findings;
  findings.notes = notes_;
  findings.rows = curves_.rows();
  for (RowKey key : layers_) {
    key.metric = "follows";
    const auto of = [&](const std::string& component) {
      RowKey named = key;
      named.component = component;
      return named;
    };
    for (const char* null : {"permuted", "random"}) {
      const std::pair<RowKey, double> excess[] = {{of("subspace"), 1.0}, {of(null), -1.0}};
      for (Row& row : curves_.weighted(of(excess_over(null)), excess)) findings.rows.push_back(std::move(row));
    }
  }
  for (const auto& [key, folds] : deviations_) {
    double variance = 0, clips = 0;  // of the number of clips that follow, as a mean over the draws
    for (const auto& [fold, found] : folds) {
      const auto of_fold = static_cast<double>(found.second);
      // Of one search minus the mean of the draws.
      variance += found.first * found.first * of_fold * of_fold * (1 + 1.0 / draw_count);
      clips += of_fold;
    }
    Row row{.key = key, .fold = {}, .value = std::sqrt(variance) / clips, .n = static_cast<int64_t>(clips)};
    row.key.component += "-standard-error";
    row.key.metric = "follows";
    if (setting_.folds == 1) row.fold = folds.begin()->first;
    if (setting_.protocol.intervals) {
      row.estimand = "pooled";
      row.without_interval = "no interval of a standard error over random draws was tested for its coverage";
    }
    findings.rows.push_back(std::move(row));
  }
  findings.arrays = arrays_;
  if (!groups_.by_text())
    findings.notes.emplace_back(
        "The table has no text that a speaker says with two emotions, so the pairs are of one speaker and any text.");
  describe_interchange(setting_, findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_interchange(const Setting& setting) { return std::make_unique<Interchange>(setting); }

}  // namespace loralens
