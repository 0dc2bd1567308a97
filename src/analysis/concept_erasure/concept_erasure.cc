// SPDX-License-Identifier: Apache-2.0
// Concept erasure (LEACE; Belrose et al., 2023): does the adapted model use a concept that a layer's state holds?
//
// In each layer an affine map removes from every position what a linear map can read of a concept (emotion, speaker,
// gender, text); the layers above and the head go on with the result. The map is fitted on the positions of the fold's
// training clips, each clip with the same weight, and applied to its test clips. Two null distributions erase as many
// directions: maps that are fitted to permuted labels, and random subspaces of the whitened states.
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "analysis/analyses.h"
#include "analysis/answer_curves.h"
#include "analysis/concept_erasure/words.h"
#include "analysis/concepts/concepts.h"
#include "analysis/concepts/control_scores.h"
#include "analysis/curves.h"
#include "base/random.h"
#include "statistics/leace.h"
#include "statistics/metrics.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t draw_count = 5;  // of each null distribution, for each concept, layer and fold
constexpr std::array nulls = {"permuted", "random-subspace"};

RowKey key_of(const std::string& component, const std::string& variant = "", std::optional<int64_t> layer = {}) {
  return {.model = "adapted", .variant = variant, .layer = layer, .component = component};
}

RowKey log_probability_of(RowKey key) {
  key.metric = "log_probability";
  return key;
}

// Log-probabilities of one fold's clips under the draws of a null distribution.
struct DrawSums {
  std::vector<double> log_p;  // of each draw, summed over clips
  int64_t clips = 0;
};

// The map that erases a concept in a layer, and the draws of each null distribution.
struct Erasers {
  Eraser concept_eraser;
  std::array<std::vector<Eraser>, nulls.size()> draws;
};

class ConceptErasure : public Analysis {
 public:
  explicit ConceptErasure(const Setting& setting)
      : setting_(setting), curves_(setting), log_p_(setting), answers_(std::ssize(setting.classes)), ranks_(setting) {
    concepts_ = concepts_of(setting, notes_);
  }

  bool wants(Part part, Role role) const override {
    return (part == Part::test || part == Part::fit) && role == Role::adapted;
  }
  bool wants_residuals(Part part, Role role) const override { return wants(part, role); }

  void begin_fold(const FoldSubjects&) override {
    clips_.clear();
    moments_.assign(setting_.layers + 1, {});
    means_.assign(setting_.layers + 1, {});
    erasers_.clear();
  }
  void end_batch(const BatchView& view) override;
  void end_part(const FoldSubjects& fold, Part part) override;
  Findings finish() override;

 private:
  void fit(const FoldSubjects& fold, const Concept& wanted, const std::vector<Whitening>& whitenings);
  void erase(const BatchView& view, const std::string& concept_name, int64_t layer, const Erasers& erasers);
  void add_changes(std::vector<Row>& rows) const;
  void add_draws(std::vector<Row>& rows) const;
  void add_draw_rows(Row row, std::vector<Row>& rows) const;

  const Setting& setting_;
  std::vector<std::string> notes_;
  std::vector<Concept> concepts_;
  AnswerCurves curves_;
  ClipCurves log_p_;       // of the erasures and of the null distributions, means over the draws
  ControlScores answers_;  // of the draws
  std::map<RowKey, std::map<int64_t, DrawSums>> sums_;  // by fold
  FoldCurves ranks_;
  std::set<std::pair<std::string, int64_t>> erased_;  // concepts and layers with values
  // Of this fold's fitting clips, by layer (0: the embedding).
  std::vector<int64_t> clips_;
  std::vector<PositionMoments> moments_;
  std::vector<std::vector<Tensor>> means_;  // B×D a batch
  std::map<std::pair<std::string, int64_t>, Erasers> erasers_;  // of this fold: by concept and layer
};

void ConceptErasure::end_batch(const BatchView& view) {
  if (view.part == Part::fit) {
    clips_.insert(clips_.end(), view.clips.begin(), view.clips.end());
    for (int64_t state = 0; state <= setting_.layers; ++state) {
      for (const Tensor& clip : view.speech_of(view.residuals[state])) moments_[state].add(clip);
      means_[state].push_back(clip_means(view, view.residuals[state]));
    }
    return;
  }
  if (erasers_.empty()) return;
  std::set<std::string> names;
  for (const auto& [place, erasers] : erasers_) {
    names.insert(place.first);
    erase(view, place.first, place.second, erasers);
  }
  // For each concept, as some may be left out in some folds.
  for (const std::string& name : names) curves_.add(view, key_of(name, "intact"), view.logits);
}

void ConceptErasure::end_part(const FoldSubjects& fold, Part part) {
  if (part != Part::fit || clips_.size() < 2) return;
  std::vector<Whitening> whitenings;
  for (const PositionMoments& moments : moments_) whitenings.emplace_back(moments);
  for (const Concept& wanted : concepts_) fit(fold, wanted, whitenings);
  moments_.clear();
  means_.clear();
}

void ConceptErasure::fit(const FoldSubjects& fold, const Concept& wanted, const std::vector<Whitening>& whitenings) {
  const std::vector<int64_t> clips = wanted.known(clips_), labels = wanted.labels_of(clips);
  std::map<int64_t, int64_t> present;  // the classes that have clips, with new numbers
  for (const int64_t label : labels) present.emplace(label, 0);
  if (present.size() < 2) {
    notes_.push_back(fmt::format("{}: {} is not erased: the training clips have fewer than two values.",
                                 setting_.folder_of(fold.fold), wanted.name));
    return;
  }
  for (int64_t next = 0; auto& [label, number] : present) number = next++;
  std::vector<int64_t> places;
  for (const int64_t clip : clips) places.push_back(std::ranges::find(clips_, clip) - clips_.begin());
  const Tensor known = at::tensor(places, c10::ScalarType::Long);
  Random random(
      hash_of(setting_.seed, hash_of("erasure of concepts"), static_cast<uint64_t>(fold.fold), hash_of(wanted.name)));
  std::vector<std::vector<int64_t>> permuted;
  for (int64_t draw = 0; draw < draw_count; ++draw)
    permuted.push_back(permuted_labels(setting_, wanted, clips, random));
  for (int64_t state = 0; state <= setting_.layers; ++state) {
    const Tensor means = at::cat(means_[state]).index_select(0, known);
    const auto leace = [&](std::vector<int64_t> given) {
      for (int64_t& label : given) label = present.at(label);
      return whitenings[state].leace(class_covariance(means, given, std::ssize(present), moments_[state].samples()));
    };
    Erasers erasers{.concept_eraser = leace(labels), .draws = {}};
    for (int64_t draw = 0; draw < draw_count; ++draw) {
      erasers.draws[0].push_back(leace(permuted[draw]));
      erasers.draws[1].push_back(whitenings[state].random_subspace(erasers.concept_eraser.rank(), random));
    }
    RowKey key = key_of(wanted.name, "", state - 1);
    key.metric = "rank";
    ranks_.add(fold.fold, key, static_cast<double>(erasers.concept_eraser.rank()), NAN, NAN, std::ssize(clips));
    erasers_.emplace(std::pair{wanted.name, state - 1}, std::move(erasers));
  }
}

void ConceptErasure::erase(const BatchView& view, const std::string& concept_name, int64_t layer,
                           const Erasers& erasers) {
  erased_.emplace(concept_name, layer);
  const Tensor& state = view.residuals[layer + 1];
  const auto logits = [&](const Eraser& eraser) { return view.logits_from(layer + 1, eraser(state)); };
  const RowKey erased = log_probability_of(key_of(concept_name, "", layer));
  const auto of_truth = curves_.add(view, key_of(concept_name, "", layer), logits(erasers.concept_eraser));
  for (size_t i = 0; i < view.clips.size(); ++i) log_p_.add(view.fold.fold, view.clips[i], erased, of_truth[i]);
  for (size_t null = 0; null < nulls.size(); ++null) {
    const RowKey key = key_of(concept_name, nulls[null], layer);
    DrawSums& sums = sums_[key][view.fold.fold];
    sums.log_p.resize(draw_count);
    sums.clips += std::ssize(view.clips);
    std::vector<double> means(view.clips.size());  // over the draws
    std::vector<std::vector<int64_t>> predicted(view.clips.size());
    for (size_t draw = 0; draw < erasers.draws[null].size(); ++draw) {
      const Tensor found = log_probabilities(logits(erasers.draws[null][draw]));
      const int64_t classes = found.size(1);
      for (size_t i = 0; i < view.clips.size(); ++i) {
        const std::span<const double> of_clip(found.const_data_ptr<double>() + static_cast<int64_t>(i) * classes,
                                              static_cast<size_t>(classes));
        const double log_p = of_clip[setting_.labels[view.clips[i]]];
        means[i] += log_p / static_cast<double>(draw_count);
        sums.log_p[draw] += log_p;
        predicted[i].push_back(std::ranges::max_element(of_clip) - of_clip.begin());
      }
    }
    for (size_t i = 0; i < view.clips.size(); ++i) {
      log_p_.add(view.fold.fold, view.clips[i], log_probability_of(key), means[i]);
      answers_.add(view.fold.fold, key, setting_.labels[view.clips[i]], predicted[i]);
    }
  }
}

// Rows of the change by each erasure, and of the log-probabilities of the null distributions and in excess of them.
void ConceptErasure::add_changes(std::vector<Row>& rows) const {
  const auto add = [&](std::vector<Row> more) {
    for (Row& row : more) rows.push_back(std::move(row));
  };
  for (const auto& [name, layer] : erased_) {
    const std::pair<RowKey, double> change[] = {{key_of(name, "", layer), 1.0}, {key_of(name, "intact"), -1.0}};
    add(curves_.weighted(key_of(name, "change", layer), change));
    const RowKey erased = log_probability_of(key_of(name, "", layer));
    for (const char* null : nulls) {
      const RowKey drawn = log_probability_of(key_of(name, null, layer));
      const std::pair<RowKey, double> itself[] = {{drawn, 1.0}}, excess[] = {{erased, 1.0}, {drawn, -1.0}};
      add(log_p_.weighted(drawn, itself));
      add(log_p_.weighted(log_probability_of(key_of(name, excess_of(null), layer)), excess));
    }
  }
}

// Rows of the mean UAR of each null distribution, and of the standard error of its mean log-probability over clips,
// which comes from the finite number of draws.
void ConceptErasure::add_draws(std::vector<Row>& rows) const {
  for (const auto& [key, folds] : sums_) {
    double variance = 0, clips = 0;  // of the sum over clips
    std::vector<Row> of_folds;
    for (const auto& [fold, sums] : folds) {
      const double deviation = summarise(sums.log_p, 1).std;
      const double square = deviation * deviation / static_cast<double>(draw_count);
      variance += square;
      clips += static_cast<double>(sums.clips);
      of_folds.push_back({key, fold, std::sqrt(square) / static_cast<double>(sums.clips), NAN, NAN, sums.clips});
    }
    Row pooled{key, {}, std::sqrt(variance) / clips, NAN, NAN, static_cast<int64_t>(clips)};
    if (setting_.folds == 1) pooled.fold = folds.begin()->first;
    add_draw_rows(pooled, rows);
    if (setting_.folds > 1)
      for (const Row& row : of_folds) add_draw_rows(row, rows);
  }
}

// row: with the standard error as its value.
void ConceptErasure::add_draw_rows(Row row, std::vector<Row>& rows) const {
  const bool pooled = (!row.fold || setting_.folds == 1) && setting_.protocol.intervals;
  if (pooled) {
    row.estimand = "pooled";
    row.without_interval = "no interval of a mean over random draws was tested for its coverage";
  }
  Row uar = row;
  uar.key.metric = "uar";
  uar.value = summarise(answers_.uars(row.key, row.fold), 1).mean;
  rows.push_back(std::move(uar));
  row.key.variant = row.key.variant + "-standard-error";
  row.key.metric = "log_probability";
  rows.push_back(std::move(row));
}

Findings ConceptErasure::finish() {
  Findings findings;
  findings.notes = notes_;
  findings.rows = curves_.rows();
  add_changes(findings.rows);
  add_draws(findings.rows);
  for (Row& row : ranks_.rows()) findings.rows.push_back(std::move(row));
  if (erased_.empty()) {
    findings.rows.clear();
    findings.notes.push_back("Nothing was erased, because there are no training clips or no test clips.");
  }
  describe_concept_erasure(setting_, findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_erasure_of_concepts(const Setting& setting) {
  return std::make_unique<ConceptErasure>(setting);
}

}  // namespace loralens
