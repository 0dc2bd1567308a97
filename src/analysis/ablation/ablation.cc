// SPDX-License-Identifier: Apache-2.0
// Ablation of adapters layer by layer: which layers' adapters earn the gain of the adaptation?
//
// v(S) is the log-probability of the true class (mean over clips), or the UAR, with the adapters on in the layers S
// only. The Shapley share (Shapley, 1953) of layer l is the mean of v(S and l) - v(S) over all orders in which the
// layers can be switched on; the shares add up to v(all) - v(none). Every pass has the adapted model's head. For
// adapters with two factors, A or B of one layer is also replaced, by its values before the training, by noise of the
// same norm, or by that of another fold.
#include <ATen/ops/equal.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "analysis/ablation/layer_sets.h"
#include "analysis/ablation/replaced_factors.h"
#include "analysis/ablation/set_values.h"
#include "analysis/ablation/set_walk.h"
#include "analysis/ablation/words.h"
#include "analysis/analyses.h"
#include "analysis/answer_curves.h"
#include "base/error.h"
#include "base/random.h"
#include "statistics/metrics.h"

namespace loralens {
namespace {

using at::Tensor;

// The layers that the method changes. The final norm counts as the last layer's; a trained stem, which only methods
// train that train all layers, as layer 0's.
std::vector<int64_t> adapted_layers(const EmotionModel& model) {
  std::set<int64_t> layers;
  for (const Parameter& p : model.adapted.parameters)
    if (p.trained && p.layer >= 0) layers.insert(p.layer);
  return {layers.begin(), layers.end()};
}

bool same_stem(const Encoder& a, const Encoder& b) {
  return at::equal(a.conv1.weight, b.conv1.weight) && at::equal(a.conv1.bias, b.conv1.bias) &&
         at::equal(a.conv2.weight, b.conv2.weight) && at::equal(a.conv2.bias, b.conv2.bias);
}

RowKey key_of(const std::string& component, std::optional<int64_t> layer) {
  return {.model = "adapted", .layer = layer, .component = component};
}

class Ablation : public Analysis {
 public:
  explicit Ablation(const Setting& setting) : setting_(setting), curves_(setting), sets_(setting) {}

  bool wants(Part part, Role role) const override { return part == Part::test && role != Role::untrained; }
  bool wants_residuals(Part part, Role role) const override { return wants(part, role); }
  bool wants_models_together(Part part) const override { return part == Part::test; }

  void begin_fold(const FoldSubjects& fold) override;
  void end_models(const ModelViews& views) override;
  Findings finish() override;

 private:
  void name_sets();
  std::vector<Row> shares() const;
  std::vector<Row> errors() const;
  std::vector<NamedArray> arrays() const;

  const Setting& setting_;
  AnswerCurves curves_, sets_;  // sets_: under key_of_set()
  SetPlan plan_;
  std::vector<std::pair<RowKey, size_t>> named_;  // rows that are the value of one set
  bool possible_ = false;  // whether this fold's layers can be switched off
  std::vector<ReplacedFactor> replaced_;  // of this fold
  bool seen_ = false;  // whether any clip was
  std::vector<std::string> notes_;
};

void Ablation::begin_fold(const FoldSubjects& fold) {
  const auto adapted = adapted_layers(fold.adapted.model);
  if (plan_.layers == 0) {
    plan_ = plan_sets(adapted, setting_.layers, hash_of(setting_.seed, hash_of("ablation")));
    name_sets();
  } else if (adapted != plan_.adapted) {
    fail("{} has adapters in other layers than {}: analyse one run at a time", setting_.folder_of(fold.fold),
         setting_.folder_of(0));
  }
  possible_ = !adapted.empty();
  if (!same_stem(fold.adapted.encoder, *setting_.base) && !same_stem(fold.frozen.encoder, *setting_.base)) {
    possible_ = false;
    notes_.push_back(fmt::format(
        "{}: no ablation, because the stem was trained in both models, so that no pass has the stem of the base model: "
        "leave out --against.",
        setting_.folder_of(fold.fold)));
  }
  replaced_ = replaced_factors(setting_, fold, notes_);
}

void Ablation::name_sets() {
  if (plan_.adapted.empty()) return;
  for (const int64_t layer : plan_.adapted) {
    const LayerSet only = LayerSet{1} << layer;
    named_.emplace_back(key_of("only", layer), plan_.number_of(only));
    named_.emplace_back(key_of("all-but", layer), plan_.number_of(plan_.all() & ~only));
  }
  for (int64_t k = 0; k <= setting_.layers; ++k) {
    named_.emplace_back(key_of("first-k", k), plan_.number_of(plan_.first(k)));
    named_.emplace_back(key_of("last-k", k), plan_.number_of(plan_.last(k)));
  }
}

void Ablation::end_models(const ModelViews& views) {
  if (!possible_) return;
  seen_ = true;
  const BatchView &adapted = views.of(Role::adapted), &frozen = views.of(Role::frozen);
  const Encoder& encoder = adapted.subject.encoder;
  const AdapterSet& adapters = adapted.subject.model.adapted.adapters;
  const Head& head = adapted.subject.model.head;
  const bool own_stem = !same_stem(encoder, *setting_.base);
  const Embeddings embeddings{adapted.residuals.front(), (own_stem ? frozen : adapted).residuals.front()};
  const Tensor logits =
      at::stack(logits_of_sets({encoder, adapters, *setting_.base}, head, embeddings, plan_.sets, adapted.pass)).cpu();
  for (size_t set = 0; set < plan_.sets.size(); ++set)
    sets_.add(adapted, key_of_set(set), logits[static_cast<int64_t>(set)]);
  for (const auto& [key, set] : named_) curves_.add(adapted, key, logits[static_cast<int64_t>(set)]);
  for (const auto& [component, layer, changed] : replaced_)
    curves_.add(
        adapted, key_of(component, layer),
        logits_from({encoder, changed, head}, adapted.residuals[layer], layer, adapted.pass, adapted.residuals));
}

// Rows of each layer's share and, without a layer, of their sum v(all) - v(none).
std::vector<Row> Ablation::shares() const {
  std::vector<Row> rows = sets_.weighted(key_of("shapley", {}), terms_of(gain_of(plan_)));
  for (size_t i = 0; i < plan_.adapted.size(); ++i)
    for (Row& row : sets_.weighted(key_of("shapley", plan_.adapted[i]), terms_of(plan_.shares[i])))
      rows.push_back(std::move(row));
  return rows;
}

// Rows of the standard errors of shares that are estimated from permutations: over the pairs, which are independent.
std::vector<Row> Ablation::errors() const {
  std::vector<Row> rows;
  for (size_t i = 0; i < plan_.adapted.size() && !plan_.pairs.empty(); ++i) {
    RowKey key = key_of("shapley", plan_.adapted[i]);
    key.variant = "standard-error";
    std::vector<std::vector<Row>> of_pairs;  // the same rows for each pair
    for (const auto& pair : plan_.pairs) of_pairs.push_back(sets_.weighted(key, terms_of(pair[i])));
    for (size_t r = 0; r < of_pairs.front().size(); ++r) {
      std::vector<double> values;
      for (const auto& of_pair : of_pairs) values.push_back(of_pair[r].value);
      const Row& like = of_pairs.front()[r];
      rows.push_back({.key = like.key,
                      .fold = like.fold,
                      .value = summarise(values, 1).std / std::sqrt(static_cast<double>(values.size())),
                      .n = like.n});
    }
  }
  return rows;
}

// sets: n×N; values: n, or folds×n.
std::vector<NamedArray> Ablation::arrays() const {
  std::vector<int64_t> on;
  for (const LayerSet set : plan_.sets)
    for (int64_t layer = 0; layer < setting_.layers; ++layer) on.push_back(contains(set, layer));
  const auto n = std::ssize(plan_.sets);
  std::vector<NamedArray> arrays = {{"sets", at::tensor(on).view({n, setting_.layers})}};
  std::map<std::string, std::map<int64_t, std::map<std::string, double>>> values;  // by metric, fold and set
  for (const Row& row : sets_.rows())
    if (row.fold) values[row.key.metric][*row.fold][row.key.variant] = row.value;
  for (const auto& [metric, folds] : values) {
    std::vector<double> all;
    for (const auto& [fold, of_fold] : folds)
      for (size_t set = 0; set < plan_.sets.size(); ++set) all.push_back(of_fold.at(key_of_set(set).variant));
    Tensor array = at::tensor(all, c10::ScalarType::Double).view({-1, n});
    arrays.push_back({metric, setting_.folds == 1 ? array[0].clone() : array});
  }
  return arrays;
}

Findings Ablation::finish() {
  Findings findings;
  findings.notes = notes_;
  if (seen_) {
    findings.rows = curves_.rows();
    for (const auto more : {&Ablation::shares, &Ablation::errors})
      for (Row& row : (this->*more)()) findings.rows.push_back(std::move(row));
    findings.arrays = arrays();
  } else if (plan_.adapted.empty()) {
    findings.notes.emplace_back("The model has no adapter in any layer, so there is nothing to switch off.");
  } else if (notes_.empty()) {
    findings.notes.emplace_back("No test clip was seen, so nothing could be measured.");
  }
  if (!plan_.pairs.empty())
    findings.notes.push_back(fmt::format(
        "{} layers have adapters, more than {}: Shapley shares are estimated from {} random orders of the layers and "
        "their reverses. Rows of variant standard-error hold the standard error of this estimate; intervals do not "
        "include it.",
        plan_.adapted.size(), most_exact_layers, permutation_pairs));
  describe_ablation(setting_, findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_ablation(const Setting& setting) { return std::make_unique<Ablation>(setting); }

}  // namespace loralens
