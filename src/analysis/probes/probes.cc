// SPDX-License-Identifier: Apache-2.0
// Linear probes (Alain and Bengio, 2017): what a linear map can read in each layer's state of the adapted and of the
// frozen model.
//
// A probe is a logistic regression of a clip's mean state after a layer (-1: the embedding). Probes for emotion, gender
// and text are fitted on the fold's training clips and scored on its test clips, whose speakers they never saw. The
// speakers of test clips are unknown to the fitting clips, so speakers are read among the fitting clips alone: the
// texts form two halves, and a probe that is fitted on the clips of one half is scored on those of the other. Each
// probe has controls that are fitted to permuted labels; selectivity is its score minus their mean.
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "analysis/analyses.h"
#include "analysis/concepts/concepts.h"
#include "analysis/concepts/control_scores.h"
#include "analysis/curves.h"
#include "analysis/probes/probe.h"
#include "analysis/probes/words.h"
#include "base/random.h"
#include "statistics/metrics.h"
#include "statistics/quantile.h"

namespace loralens {
namespace {

using at::Tensor;
using Kind = Concept::Kind;

constexpr int64_t control_count = 19;  // permutations of the labels for each probe
constexpr Role roles[] = {Role::adapted, Role::frozen};
constexpr const char* too_few = "no value has two training clips, so no penalty can be chosen";

// One concept with the states of its clips and the scores of the folds so far.
struct ReadConcept {
  ReadConcept(const Setting& setting, Concept wanted)
      : of(std::move(wanted)),
        setting(setting_for(setting, of)),
        answers(this->setting),
        controls(std::ssize(of.classes)),
        of_folds(setting) {}

  RowKey key(Role role, int64_t layer, const char* metric = "") const {
    return {.model = std::string(name_of(role)), .layer = layer, .component = of.name, .metric = metric};
  }

  Concept of;
  Setting setting;
  ConfusionCurves answers;  // of test clips
  ControlScores controls;
  FoldCurves of_folds;  // speakers: scores among the fitting clips
  std::map<std::pair<Role, int64_t>, std::unique_ptr<Probe>> probes;  // of this fold: by model and layer
  std::vector<bool> fitted;  // of this fold: whether a class has fitting clips
  int64_t left_out = 0;  // test clips whose class no fitting clip has
};

class Probes : public Analysis {
 public:
  explicit Probes(const Setting& setting) : setting_(setting) {
    for (Concept& found : concepts_of(setting, notes_))
      concepts_.push_back(std::make_unique<ReadConcept>(setting, std::move(found)));
  }

  bool wants(Part part, Role role) const override {
    return (part == Part::test || part == Part::fit) && role != Role::untrained;
  }
  bool wants_residuals(Part part, Role role) const override { return wants(part, role); }

  void begin_fold(const FoldSubjects&) override {
    clips_.clear();
    states_.clear();
    for (const auto& read : concepts_) read->probes.clear();
  }
  void end_batch(const BatchView& view) override;
  void end_part(const FoldSubjects& fold, Part part) override;
  Findings finish() override;

 private:
  ProbeLabels labels_for(const ReadConcept& read, int64_t fold, const std::vector<int64_t>& clips) const;
  Tensor states_of(Role role, int64_t layer, const std::vector<int64_t>& clips) const;
  void fit(const FoldSubjects& fold, ReadConcept& read);
  void read_speakers(const FoldSubjects& fold, ReadConcept& read);
  void add_penalty(int64_t fold, const std::string& probe, int64_t layer, double l2);
  void leave_out(const FoldSubjects& fold, const ReadConcept& read, const char* reason);

  const Setting& setting_;
  std::vector<std::string> notes_;
  std::vector<std::unique_ptr<ReadConcept>> concepts_;
  // Of this fold's fitting clips, by model and layer (0: the embedding): B×D a batch.
  std::map<Role, std::vector<int64_t>> clips_;
  std::map<Role, std::vector<std::vector<Tensor>>> states_;
  std::map<std::string, Tensor> penalties_;  // arrays: F×(N+1), of the probes; 0: no probe
};

void Probes::end_batch(const BatchView& view) {
  const Role role = view.subject.role;
  if (view.part == Part::fit) {
    clips_[role].insert(clips_[role].end(), view.clips.begin(), view.clips.end());
    states_[role].resize(setting_.layers + 1);
  }
  for (int64_t layer = -1; layer < setting_.layers; ++layer) {
    const Tensor states = clip_means(view, view.residuals[layer + 1]);
    if (view.part == Part::fit) states_[role][layer + 1].push_back(states);
    for (const auto& read : concepts_) {
      const auto probe = read->probes.find({role, layer});
      if (view.part == Part::fit || probe == read->probes.end()) continue;
      const auto predicted = probe->second->predict(states);
      for (size_t i = 0; i < view.clips.size(); ++i) {
        const int64_t clip = view.clips[i], label = read->of.labels[clip];
        if (label < 0) continue;
        if (!read->fitted[label]) {
          read->left_out += role == Role::adapted && layer < 0;
          continue;
        }
        read->answers.add(view.fold.fold, clip, read->key(role, layer), predicted[i][0]);
        read->controls.add(view.fold.fold, read->key(role, layer), label, std::span(predicted[i]).subspan(1));
      }
    }
  }
}

// The labels of these clips, control_count permutations of them, and the clips that choose the penalty: those of some
// speakers, to read speakers those of some texts.
ProbeLabels Probes::labels_for(const ReadConcept& read, int64_t fold, const std::vector<int64_t>& clips) const {
  const uint64_t key = hash_of(setting_.seed, hash_of("probes"), static_cast<uint64_t>(fold), hash_of(read.of.name));
  ProbeLabels found{.labels = read.of.labels_of(clips), .permuted = {}, .held_out = {}};
  std::vector<std::string> groups;
  for (const int64_t clip : clips)
    groups.push_back(read.of.kind == Kind::speaker ? setting_.clips->clips[clip].text : setting_.group_of(clip));
  found.held_out = choosing_clips(found.labels, groups, key);
  Random random(hash_of(key, hash_of("controls")));
  for (int64_t i = 0; i < control_count; ++i)
    found.permuted.push_back(permuted_labels(setting_, read.of, clips, random));
  return found;
}

// n×D: states of these fitting clips of the fold.
Tensor Probes::states_of(Role role, int64_t layer, const std::vector<int64_t>& clips) const {
  const auto& all = clips_.at(role);
  std::vector<int64_t> places;
  for (const int64_t clip : clips) places.push_back(std::ranges::find(all, clip) - all.begin());
  return at::cat(states_.at(role)[layer + 1]).index_select(0, at::tensor(places, c10::ScalarType::Long));
}

void Probes::end_part(const FoldSubjects& fold, Part part) {
  if (part != Part::fit) return;
  for (const auto& read : concepts_)
    if (read->of.kind == Kind::speaker)
      read_speakers(fold, *read);
    else
      fit(fold, *read);
  clips_.clear();
  states_.clear();
}

void Probes::leave_out(const FoldSubjects& fold, const ReadConcept& read, const char* reason) {
  notes_.push_back(fmt::format("{}: no probe of {}: {}.", setting_.folder_of(fold.fold), read.of.name, reason));
}

void Probes::fit(const FoldSubjects& fold, ReadConcept& read) {
  const std::vector<int64_t> clips = read.of.known(fold.fit);
  const ProbeLabels labels = labels_for(read, fold.fold, clips);
  read.fitted.assign(read.of.classes.size(), false);
  for (const int64_t label : labels.labels) read.fitted[label] = true;
  if (std::ranges::count(read.fitted, true) < 2)
    return leave_out(fold, read, "the training clips have fewer than two values");
  if (labels.held_out.empty()) return leave_out(fold, read, too_few);
  for (const Role role : roles)
    for (int64_t layer = -1; layer < setting_.layers; ++layer) {
      auto probe = std::make_unique<Probe>(states_of(role, layer, clips), labels);
      add_penalty(fold.fold, fmt::format("{}/{}", name_of(role), read.of.name), layer, probe->l2());
      read.probes[{role, layer}] = std::move(probe);
    }
}

void Probes::read_speakers(const FoldSubjects& fold, ReadConcept& read) {
  std::map<std::string, std::vector<int64_t>> of_text;
  for (const int64_t clip : read.of.known(fold.fit))
    if (const std::string& text = setting_.clips->clips[clip].text; !text.empty()) of_text[text].push_back(clip);
  if (of_text.size() < 2) return leave_out(fold, read, "the training clips have fewer than two texts");
  std::vector<int64_t> halves[2];
  size_t number = 0;
  for (const auto& [text, clips] : of_text) {
    halves[number % 2].insert(halves[number % 2].end(), clips.begin(), clips.end());
    ++number;
  }
  std::vector<int64_t> common[2];  // clips of the speakers that have clips in both halves
  for (const int side : {0, 1})
    for (const int64_t clip : halves[side])
      if (std::ranges::any_of(halves[1 - side],
                              [&](int64_t other) { return read.of.labels[other] == read.of.labels[clip]; }))
        common[side].push_back(clip);
  const std::vector<int64_t> known = read.of.labels_of(common[0]);
  if (std::set(known.begin(), known.end()).size() < 2)
    return leave_out(fold, read, "fewer than two speakers have training clips in both halves of the texts");
  const ProbeLabels labels[] = {labels_for(read, fold.fold, common[0]), labels_for(read, fold.fold, common[1])};
  if (labels[0].held_out.empty() || labels[1].held_out.empty()) return leave_out(fold, read, too_few);
  const auto clips = std::ssize(common[0]) + std::ssize(common[1]);
  for (int64_t layer = -1; layer < setting_.layers; ++layer) {
    std::map<Role, double> scores;
    for (const Role role : roles) {
      Confusion confusion(std::ssize(read.of.classes));
      for (const int side : {0, 1}) {
        const Probe probe(states_of(role, layer, common[side]), labels[side]);
        add_penalty(fold.fold, fmt::format("{}/speaker-{}", name_of(role), side), layer, probe.l2());
        const auto predicted = probe.predict(states_of(role, layer, common[1 - side]));
        for (size_t i = 0; i < predicted.size(); ++i) {
          const int64_t truth = labels[1 - side].labels[i];
          confusion.add(truth, predicted[i][0]);
          read.controls.add(fold.fold, read.key(role, layer), truth, std::span(predicted[i]).subspan(1));
        }
      }
      scores[role] = uar(confusion);
      read.of_folds.add(fold.fold, read.key(role, layer, "uar"), scores[role], NAN, NAN, clips);
    }
    RowKey difference = read.key(Role::adapted, layer, "uar");
    difference.model = "adapted-frozen";
    read.of_folds.add(fold.fold, difference, scores[Role::adapted] - scores[Role::frozen], NAN, NAN, clips);
  }
}

void Probes::add_penalty(int64_t fold, const std::string& probe, int64_t layer, double l2) {
  Tensor& penalties = penalties_["penalty/" + probe];
  if (!penalties.defined()) penalties = at::zeros({setting_.folds, setting_.layers + 1}, c10::ScalarType::Double);
  penalties[fold][layer + 1] = l2;
}

// Adds the rows of the controls of a UAR: their mean and the selectivity. Sets the row's null distribution.
void add_controls(const Setting& setting, Row& row, std::vector<double> draws, std::vector<Row>& rows) {
  std::ranges::sort(draws);
  row.null_low = quantile(draws, 0.025);
  row.null_high = quantile(draws, 0.975);
  row.null_draws = std::ssize(draws);
  Row control{row.key, row.fold, summarise(draws, 1).mean, NAN, NAN, row.n};
  control.estimand = row.estimand;
  if (!row.estimand.empty() && setting.protocol.intervals)
    control.without_interval = "no interval of a score of permuted labels was tested for its coverage";
  Row selectivity = control;
  control.key.metric = "control";
  selectivity.key.metric = "selectivity";
  selectivity.value = row.value - control.value;
  rows.push_back(std::move(control));
  rows.push_back(std::move(selectivity));
}

// All rows of a concept whose probes are scored on test clips.
std::vector<Row> rows_of_answers(const Setting& setting, const ReadConcept& read) {
  std::vector<Row> rows, more;
  for (Row& row : read.answers.rows())
    if (row.key.metric == "uar") rows.push_back(std::move(row));
  if (rows.empty()) return rows;
  for (Row& row : rows) {
    RowKey key = row.key;
    key.metric.clear();
    add_controls(setting, row, read.controls.uars(key, row.fold), more);
  }
  for (int64_t layer = -1; layer < setting.layers; ++layer) {
    RowKey difference = read.key(Role::adapted, layer, "uar");
    difference.model = "adapted-frozen";
    const std::pair<RowKey, double> terms[] = {{read.key(Role::adapted, layer), 1.0},
                                               {read.key(Role::frozen, layer), -1.0}};
    for (Row& row : read.answers.weighted_uar(difference, terms)) more.push_back(std::move(row));
  }
  rows.insert(rows.end(), more.begin(), more.end());
  if (read.of.kind == Kind::gender)
    for (Row& row : rows)
      if (row.key.metric == "uar" && !row.estimand.empty()) {
        row.low = row.high = NAN;
        row.without_interval = "no interval of a score whose classes are whole speakers was tested for its coverage";
      }
  return rows;
}

// All rows of the speakers, which are read among the fitting clips.
std::vector<Row> rows_of_folds(const Setting& setting, const ReadConcept& read) {
  std::vector<Row> rows = read.of_folds.rows(), more;
  for (Row& row : rows) {
    if (row.key.model == "adapted-frozen") continue;
    RowKey key = row.key;
    key.metric.clear();
    add_controls(setting, row, row.fold ? read.controls.uars(key, row.fold) : read.controls.fold_means(key), more);
  }
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

Findings Probes::finish() {
  Findings findings;
  findings.notes = notes_;
  for (const auto& read : concepts_) {
    const auto rows =
        read->of.kind == Kind::speaker ? rows_of_folds(setting_, *read) : rows_of_answers(setting_, *read);
    findings.rows.insert(findings.rows.end(), rows.begin(), rows.end());
    if (read->left_out > 0)
      findings.notes.push_back(fmt::format("{}: {} test clips are left out, because no training clip has their value.",
                                           read->of.name, read->left_out));
  }
  for (const auto& [name, values] : penalties_) findings.arrays.push_back({name, values});
  if (findings.rows.empty())
    findings.notes.push_back("Nothing was probed, because there are no training clips or no test clips.");
  describe_probes(setting_, findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_probes(const Setting& setting) { return std::make_unique<Probes>(setting); }

}  // namespace loralens
