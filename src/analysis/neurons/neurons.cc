// SPDX-License-Identifier: Apache-2.0
// Units of the MLPs' hidden layers that respond to one emotion: does the model need them for this emotion more than for
// others? (Selection by activation and silencing: Dalvi et al., 2019; Bau et al., 2020)
//
// In each layer, the hundredth of the units whose activation (after GELU, mean over a clip's positions) is higher in
// training clips of class c than in those of other classes by the most standard deviations is silenced or doubled, in
// all layers at once. Null: as many random units of each layer.
#include <ATen/TensorOperators.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/stack.h>
#include <fmt/format.h>

#include <array>
#include <map>

#include "analysis/analyses.h"
#include "analysis/answer_curves.h"
#include "analysis/causal/class_means.h"
#include "analysis/causal/other_class.h"
#include "analysis/causal/two_models.h"
#include "analysis/curves.h"
#include "analysis/neurons/units.h"
#include "analysis/neurons/words.h"
#include "analysis/null_draws.h"
#include "base/device.h"
#include "base/random.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr std::array unit_actions = {std::pair{"silenced", 0.0}, std::pair{"amplified", 2.0}};

// The chosen units of one model in one fold, and the standard deviations in which their selectivity is measured.
struct Chosen {
  std::vector<Tensor> deviation;  // of each layer: F, within classes of training clips
  std::vector<ClassUnits> units;  // of each layer
};

class Neurons : public TwoModelAnalysis {
 public:
  explicit Neurons(const Setting& setting)
      : TwoModelAnalysis(setting, "neurons"),
        answers_(setting),
        clips_(setting),
        of_folds_(setting),
        null_(NullDraws::Tail::high) {}

  using TwoModelAnalysis::wants;
  bool wants(Part part, Role role, const Site& site) const override {
    return wants(part, role) && site.kind == SiteKind::mlp_hidden;
  }

  void begin_fold(const FoldSubjects& fold) override;
  void see(const BatchView& view, const Site& site, const Tensor& value) override;
  void end_batch(const BatchView& view) override;
  void end_part(const FoldSubjects& fold, Part part) override;
  void end_fold(const FoldSubjects& fold) override;
  Findings finish() override;

 private:
  // Log-probabilities of all classes under each head: heads of B×C, float64, CPU.
  using LogP = std::vector<Tensor>;

  LogP scaled(const BatchView& view, const std::vector<ClassUnits>& units, double factor,
              const std::vector<int64_t>& classes) const;
  double loss(const BatchView& view, const LogP& log_p, size_t head, size_t i) const;
  void scale(const BatchView& view, const char* action, double factor);
  void add(const BatchView& view, const std::string& variant, const std::vector<LogP>& changed, size_t head);
  void draw(const BatchView& view, const std::vector<LogP>& silenced);
  void add_selectivity(const FoldSubjects& fold, Part part);

  AnswerCurves answers_;
  ClipCurves clips_;
  FoldCurves of_folds_;
  NullDraws null_;
  // Of this fold.
  std::map<std::pair<Role, Part>, std::vector<ClassMeans>> means_;  // by layer
  std::map<Role, Chosen> chosen_;
  std::map<int64_t, int64_t> other_;  // of each test clip: one class that is not its own
  std::map<RowKey, std::vector<double>> sums_;  // over clips: the value, then each draw's
  LogP plain_;  // of the current batch
};

RowKey key_of(const BatchView& view, const std::string& variant, const char* component, const char* metric = "") {
  return {
      .model = std::string(name_of(view.subject.role)), .variant = variant, .component = component, .metric = metric};
}

void Neurons::begin_fold(const FoldSubjects& fold) {
  TwoModelAnalysis::begin_fold(fold);
  chosen_.clear();
  sums_.clear();
  const auto classes = std::ssize(setting_.classes);
  if (classes > 1) other_ = other_classes(fold.test, setting_.labels, classes);
  for (const Role role : {Role::adapted, Role::frozen})
    for (const Part part : {Part::fit, Part::test}) means_[{role, part}].assign(setting_.layers, ClassMeans(classes));
}

void Neurons::see(const BatchView& view, const Site& site, const Tensor& value) {
  std::vector<Tensor> activations;
  for (const Tensor& clip : view.speech_of(value)) activations.push_back(clip.to(c10::ScalarType::Double).mean(0));
  const Tensor all = at::stack(activations).cpu();
  for (size_t i = 0; i < view.clips.size(); ++i)
    means_.at({view.subject.role, view.part})[site.layer].add(setting_.labels[view.clips[i]],
                                                              all[static_cast<int64_t>(i)]);
}

void Neurons::end_part(const FoldSubjects& fold, Part part) {
  if (part == Part::test) add_selectivity(fold, part);
  if (part != Part::fit) return;
  const bool complete = means_.at({Role::adapted, part}).front().complete();
  if (!complete || setting_.classes.size() < 2 || fold.fit.size() <= setting_.classes.size()) {
    notes_.push_back(fmt::format("{}: no units were chosen, because that needs training clips of each class.",
                                 setting_.folder_of(fold.fold)));
    return;
  }
  TwoModelAnalysis::end_part(fold, part);
  for (const Role role : {Role::adapted, Role::frozen})
    for (const ClassMeans& means : means_.at({role, part})) {
      const Tensor deviation = means.deviation(), selectivity = selectivity_of(means, deviation);
      chosen_[role].deviation.push_back(deviation);
      chosen_[role].units.push_back(most_selective(selectivity, chosen_units(selectivity.size(1))));
    }
  add_selectivity(fold, part);
}

// Rows of the chosen units' mean selectivity in these clips, in standard deviations of the training clips.
void Neurons::add_selectivity(const FoldSubjects& fold, Part part) {
  for (const auto& [role, chosen] : chosen_)
    for (int64_t layer = 0; layer < setting_.layers; ++layer) {
      const ClassMeans& means = means_.at({role, part})[layer];
      if (!means.complete()) return;
      const Tensor selectivity = selectivity_of(means, chosen.deviation[layer]);
      for (size_t c = 0; c < setting_.classes.size(); ++c) {
        const auto& units = chosen.units[layer][c];
        double sum = 0;
        for (const int64_t unit : units) sum += selectivity[static_cast<int64_t>(c)][unit].item<double>();
        of_folds_.add(fold.fold,
                      {.model = std::string(name_of(role)),
                       .variant = part == Part::fit ? "training" : "test",
                       .layer = layer,
                       .component = "units",
                       .metric = "selectivity",
                       .class_name = setting_.classes[c]},
                      sum / static_cast<double>(units.size()), NAN, NAN, std::ssize(fold.of(part)));
      }
    }
}

void Neurons::end_batch(const BatchView& view) {
  TwoModelAnalysis::end_batch(view);
  if (view.part == Part::fit || chosen_.empty()) return;
  const auto& suffixes = heads_.suffixes();
  const auto logits = view.logits_under(heads_.heads(), setting_.layers, view.residuals.back());
  plain_.clear();
  for (size_t h = 0; h < suffixes.size(); ++h) {
    const std::string variant = heads_.variant(h);
    plain_.push_back(log_probabilities(logits[h]));
    answers_.add(view, key_of(view, variant, "none"), plain_[h]);
  }
  for (const auto& [action, factor] : unit_actions) scale(view, action, factor);
}

// With the units of one class for each clip scaled.
Neurons::LogP Neurons::scaled(const BatchView& view, const std::vector<ClassUnits>& units, double factor,
                              const std::vector<int64_t>& classes) const {
  const auto device = view.logits.device();
  UnitScaling scaling(units, view.subject.encoder.layers.front().fc1.weight.size(0), factor,
                      at::repeat_interleave(on_device(classes, device), on_device(view.clip_rows, device)));
  LogP found;
  for (const Tensor& logits : view.logits_under(heads_.heads(), 0, view.residuals.front(), {&scaling}))
    found.push_back(log_probabilities(logits));
  return found;
}

// The cross-entropy of the batch's clip i, in nats.
double Neurons::loss(const BatchView& view, const LogP& log_p, size_t head, size_t i) const {
  const auto row = static_cast<int64_t>(i);
  return -log_p[head].accessor<double, 2>()[row][setting_.labels[view.clips[i]]];
}

void Neurons::scale(const BatchView& view, const char* action, double factor) {
  const auto& suffixes = heads_.suffixes();
  const auto& units = chosen_.at(view.subject.role).units;
  std::vector<LogP> of_classes;  // with the units of each class
  for (int64_t c = 0; c < std::ssize(setting_.classes); ++c)
    of_classes.push_back(scaled(view, units, factor, std::vector(view.clips.size(), c)));
  for (size_t h = 0; h < suffixes.size(); ++h) {
    std::vector<Tensor> own;
    for (size_t i = 0; i < view.clips.size(); ++i)
      own.push_back(of_classes[setting_.labels[view.clips[i]]][h][static_cast<int64_t>(i)]);
    answers_.add(view, key_of(view, action + suffixes[h], "own"), at::stack(own));
    add(view, action + suffixes[h], of_classes, h);
  }
  if (factor == 0) draw(view, of_classes);
}

// Rows of the rise in loss. changed: with the units of each class.
void Neurons::add(const BatchView& view, const std::string& variant, const std::vector<LogP>& changed, size_t head) {
  const auto classes = std::ssize(setting_.classes);
  for (size_t i = 0; i < view.clips.size(); ++i) {
    const int64_t clip = view.clips[i], label = setting_.labels[clip];
    const auto rise = [&](int64_t c) { return loss(view, changed[c], head, i) - loss(view, plain_, head, i); };
    const auto put = [&](const char* component, double value, const std::string& class_name = "") {
      RowKey key = key_of(view, variant, component, "loss_increase");
      key.class_name = class_name;
      clips_.add(view.fold.fold, clip, key, value);
    };
    double others = 0;
    for (int64_t c = 0; c < classes; ++c) {
      if (head == 0) put(c == label ? "own" : "others", rise(c), setting_.classes[c]);
      if (c != label) others += rise(c) / static_cast<double>(classes - 1);
    }
    put("own", rise(label));
    put("others", others);
    put("own-others", rise(label) - others);
    put("own-one-other", rise(label) - rise(other_.at(clip)));
  }
}

// The null of silencing: as many random units of each layer, drawn for each class.
void Neurons::draw(const BatchView& view, const std::vector<LogP>& silenced) {
  const auto& suffixes = heads_.suffixes();
  const auto& units = chosen_.at(view.subject.role).units;
  const int64_t hidden = view.subject.encoder.layers.front().fc1.weight.size(0);
  std::vector<int64_t> own, other;
  for (const int64_t clip : view.clips) {
    own.push_back(setting_.labels[clip]);
    other.push_back(other_.at(clip));
  }
  // Adds the clips' rises in loss, and their differences, to the sums at a place: 0 of the value, then of each draw.
  const auto add_sums = [&](int64_t place, size_t h, size_t i, double of_own, double of_other) {
    const auto at_place = [&](const char* component) -> double& {
      const RowKey key = key_of(view, "silenced" + suffixes[h], component, "loss_increase");
      return sums_.try_emplace(key, 1 + unit_draws).first->second[place];
    };
    at_place("own") += of_own - loss(view, plain_, h, i);
    at_place("own-one-other") += of_own - of_other;
  };
  for (size_t h = 0; h < suffixes.size(); ++h)
    for (size_t i = 0; i < view.clips.size(); ++i)
      add_sums(0, h, i, loss(view, silenced[own[i]], h, i), loss(view, silenced[other[i]], h, i));
  for (int64_t d = 1; d <= unit_draws; ++d) {
    Random random(hash_of(setting_.seed, hash_of("neurons"), view.fold.fold, d));  // the same for all batches
    std::vector<ClassUnits> drawn;
    for (const ClassUnits& of_layer : units)
      drawn.push_back(random_units(std::ssize(of_layer), hidden, std::ssize(of_layer.front()), random));
    const LogP of_own = scaled(view, drawn, 0, own), of_other = scaled(view, drawn, 0, other);
    for (size_t h = 0; h < suffixes.size(); ++h)
      for (size_t i = 0; i < view.clips.size(); ++i)
        add_sums(d, h, i, loss(view, of_own, h, i), loss(view, of_other, h, i));
  }
}

void Neurons::end_fold(const FoldSubjects& fold) {
  const auto clips = static_cast<double>(fold.test.size());
  for (auto& [key, sums] : sums_) {
    for (double& value : sums) value /= clips;
    null_.add(fold.fold, key, sums.front(), {sums.begin() + 1, sums.end()});
  }
}

Findings Neurons::finish() {
  Findings findings;
  findings.rows = answers_.rows();
  for (const auto& more : {clips_.rows(), of_folds_.rows()})
    findings.rows.insert(findings.rows.end(), more.begin(), more.end());
  null_.annotate(findings.rows);
  findings.notes = notes_;
  if (findings.rows.empty() && notes_.empty())
    findings.notes.emplace_back("No test clip was seen, so nothing could be measured.");
  describe_neurons(findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_neurons(const Setting& setting) { return std::make_unique<Neurons>(setting); }

}  // namespace loralens
