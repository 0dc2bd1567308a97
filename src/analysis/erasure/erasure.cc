// SPDX-License-Identifier: Apache-2.0
// Ablation of layers: accuracy and confidence lost when a layer, its attention or its MLP is removed (arXiv 2509.08454,
// "layer erasure").
//
// The output of the component (a, m or a + m of layer l) is replaced at every position by zero (zero ablation, empty
// variant: layer l's output is its input), by its mean over training positions (`mean-ablation`), or by its value at a
// random training position (`resample-ablation`). Training positions are speech frames of Part::fit.
// Single components: accuracy_drop, loss_increase (nats), confidence_drop against the unablated model, paired by clip,
// and score = accuracy_drop + 0.5 confidence_drop - 0.1 loss_increase, as published: a rise in loss lowers it.
// Confidence is the largest class probability. Progressive (`first-k`: layers 0..k-1 removed; `last-k`: layers
// N-k..N-1): accuracy, loss, confidence, with layer = k. The unablated model: component `none`.
//
// Resampling, with base/random.h's hash_of and key(clip) = hash_of(id):
//   bank     the n clips of Part::fit in the fold's order, the first 512 at most, give q = max(1, 512 / n) rows each;
//            row i·q + j is speech frame hash_of(seed, key(clip i), j) mod (its speech frames).
//   draw     position t of a test clip (counted over all its segments) takes, in layer l, row
//            hash_of(seed, key(clip), l, t) mod (rows of the bank), of a, of m, or of both.
// As published: zero ablation of whole layers of the adapted model, on some test clips (Form below).
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/zeros_like.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "analysis/analyses.h"
#include "analysis/curves.h"
#include "analysis/erasure/words.h"
#include "base/device.h"
#include "base/enum.h"
#include "base/random.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr size_t bank_rows = 512;

// What the two forms of the analysis do differently.
struct Form {
  bool frozen_too;  // besides the adapted model
  bool replacements_too;  // mean and resample ablation, besides zero ablation
  bool modules_too;  // attention alone and MLP alone, besides whole layers
  bool last_too;  // `last-k`, besides `first-k`
  // Only Setting::erasure_clips of the test clips: sorted by number, shuffled by Random(seed), the first ones; all if
  // there are no more.
  bool drawn_clips;
};
constexpr Form strict_form{
    .frozen_too = true, .replacements_too = true, .modules_too = true, .last_too = true, .drawn_clips = false};
constexpr Form published_form{
    .frozen_too = false, .replacements_too = false, .modules_too = false, .last_too = false, .drawn_clips = true};

enum class Component { layer, attention, mlp };
const char* name_of(Component component) {
  constexpr std::array names = {"layer", "attention", "mlp"};
  return names[ordinal(component)];
}

enum class Variant { zero, mean, resample };
const char* name_of(Variant variant) {
  constexpr std::array names = {"", "mean-ablation", "resample-ablation"};
  return names[ordinal(variant)];
}

// Outputs of one layer's attention or MLP at training positions.
struct Outputs {
  Tensor sum;  // D, float64
  int64_t positions = 0;
  std::vector<Tensor> rows;  // of the bank, one tensor a clip, in the order of Part::fit
  Tensor mean, bank;  // D (float64), K×D; computed from the above after Part::fit
};

// Replaces the attention output of one layer by a value.
class Replacement : public Intervention {
 public:
  Replacement(int64_t layer, Tensor value) : layer_(layer), value_(std::move(value)) {}
  bool wants(const Site& site) const override { return site == Site{SiteKind::attention_out, layer_}; }
  Tensor replace(const Pass&, const Site&, const Tensor& value, int64_t) override {
    return value_.defined() ? value_.to(value.scalar_type()).expand_as(value) : at::zeros_like(value);
  }

 private:
  int64_t layer_;
  Tensor value_;  // D or ΣT×D; undefined: zero
};

MeanOf kind_of(const std::string& metric) {
  if (metric == "accuracy") return MeanOf::shares;
  if (metric == "accuracy_drop") return MeanOf::changes;
  return metric == "score" ? MeanOf::few_changes : MeanOf::numbers;
}

// How one clip is classified.
struct Outcome {
  double accuracy, loss, confidence;
};

class Erasure : public Analysis {
 public:
  Erasure(const Setting& setting, const Form& form) : setting_(setting), form_(form), curves_(setting) {}

  bool wants(Part part, Role role) const override {
    if (role == Role::untrained || (role == Role::frozen && !form_.frozen_too)) return false;
    return part == Part::test || (part == Part::fit && form_.replacements_too);
  }
  bool wants(Part part, Role role, const Site& site) const override {
    if (!wants(part, role)) return false;
    if (part == Part::fit) return site.kind == SiteKind::attention_out || site.kind == SiteKind::mlp_out;
    return form_.modules_too && site.kind == SiteKind::attention_out;
  }
  bool wants_residuals(Part part, Role role) const override { return part == Part::test && wants(part, role); }

  void begin_fold(const FoldSubjects& fold) override;
  void see(const BatchView& view, const Site& site, const Tensor& value) override;
  void end_batch(const BatchView& view) override;
  void end_part(const FoldSubjects& fold, Part part) override;
  Findings finish() override;

 private:
  struct Cost {
    int64_t layers = 0, times = 0;
  };

  uint64_t key_of(int64_t clip) const { return hash_of(setting_.clips->clips[clip].id); }
  void add_to_bank(const BatchView& view, Outputs& outputs, const Tensor& value);
  Tensor drawn_rows(const BatchView& view, int64_t layer) const;
  Tensor replacement(const BatchView& view, Variant variant, Component component, int64_t layer) const;
  Tensor erased_logits(const BatchView& view, Variant variant, Component component, int64_t layer);
  Tensor counted(const std::string& component, const BatchView& view, int64_t layer, const Tensor& x,
                 std::vector<Intervention*> interventions = {});
  std::vector<Outcome> outcomes(const BatchView& view, const Tensor& logits) const;
  void single(const BatchView& view, Variant variant, Component component);
  void progressive(const BatchView& view, Variant variant);
  void add_levels(const BatchView& view, const RowKey& key, const std::vector<Outcome>& of);
  void add(const BatchView& view, RowKey key, const char* metric, size_t clip, double value);

  const Setting& setting_;
  Form form_;
  ClipCurves curves_;
  std::set<int64_t> chosen_;  // test clips of the current fold whose results count
  std::map<std::pair<Role, Site>, Outputs> outputs_;  // of the current fold, by model and site (attention_out, mlp_out)
  std::vector<Tensor> attention_, draws_;  // of the current batch, by layer: attention_out, row numbers of the bank
  std::vector<Outcome> whole_;  // of the current batch's clips in the unablated model
  std::map<std::string, Cost> costs_;  // by component
  std::vector<std::string> notes_;
};

void Erasure::begin_fold(const FoldSubjects& fold) {
  outputs_.clear();
  std::vector<int64_t> clips = fold.test;
  if (form_.drawn_clips) {
    std::ranges::sort(clips);
    Random(setting_.seed).shuffle(clips);
    if (std::ssize(clips) > setting_.erasure_clips) clips.resize(setting_.erasure_clips);
  }
  chosen_ = {clips.begin(), clips.end()};
}

void Erasure::see(const BatchView& view, const Site& site, const Tensor& value) {
  if (view.part == Part::fit) return add_to_bank(view, outputs_[{view.subject.role, site}], value);
  if (site.layer == 0) attention_.clear();
  attention_.push_back(value);
}

void Erasure::add_to_bank(const BatchView& view, Outputs& outputs, const Tensor& value) {
  const auto& fit = view.fold.fit;
  const uint64_t each = std::max<size_t>(1, bank_rows / fit.size());
  outputs.rows.resize(std::min(fit.size(), bank_rows));
  const auto clips = view.speech_of(value);
  for (size_t i = 0; i < clips.size(); ++i) {
    const Tensor sum = clips[i].to(c10::ScalarType::Double).sum(0);
    outputs.sum = outputs.sum.defined() ? outputs.sum + sum : sum;
    outputs.positions += clips[i].size(0);
    const auto place = std::ranges::find(fit, view.clips[i]) - fit.begin();
    if (place >= std::ssize(outputs.rows)) continue;
    std::vector<int64_t> frames;
    for (uint64_t j = 0; j < each; ++j)
      frames.push_back(static_cast<int64_t>(hash_of(setting_.seed, key_of(view.clips[i]), j) %
                                            static_cast<uint64_t>(clips[i].size(0))));
    outputs.rows[place] = clips[i].index_select(0, on_device(frames, value.device()));
  }
}

void Erasure::end_part(const FoldSubjects& fold, Part part) {
  if (part != Part::fit || !form_.replacements_too) return;
  if (outputs_.empty())
    notes_.push_back(
        fmt::format("{}: no mean and no resample ablation, as there are no training clips to take "
                    "means and draws from.",
                    setting_.folder_of(fold.fold)));
  for (auto& [place, outputs] : outputs_) {
    outputs.bank = at::cat(outputs.rows);
    outputs.mean = outputs.sum / static_cast<double>(outputs.positions);
    outputs.rows.clear();
  }
}

// ΣT row numbers of the bank, one per position.
Tensor Erasure::drawn_rows(const BatchView& view, int64_t layer) const {
  const auto rows = static_cast<uint64_t>(outputs_.begin()->second.bank.size(0));
  std::vector<int64_t> drawn;
  for (size_t i = 0; i < view.clips.size(); ++i) {
    const uint64_t key = key_of(view.clips[i]);
    for (int64_t t = 0; t < view.clip_rows[i]; ++t)
      drawn.push_back(static_cast<int64_t>(hash_of(setting_.seed, key, layer, t) % rows));
  }
  return on_device(drawn, view.logits.device());
}

// Replacement of the component's output: D or ΣT×D; undefined: zero.
Tensor Erasure::replacement(const BatchView& view, Variant variant, Component component, int64_t layer) const {
  if (variant == Variant::zero) return {};
  const auto of = [&](SiteKind kind) {
    const Outputs& outputs = outputs_.at({view.subject.role, {kind, layer}});
    const Tensor value = variant == Variant::mean ? outputs.mean : outputs.bank.index_select(0, draws_[layer]);
    return value.to(view.logits.scalar_type());  // precision of the stream
  };
  if (component == Component::attention) return of(SiteKind::attention_out);
  if (component == Component::mlp) return of(SiteKind::mlp_out);
  return of(SiteKind::attention_out) + of(SiteKind::mlp_out);
}

Tensor Erasure::counted(const std::string& component, const BatchView& view, int64_t layer, const Tensor& x,
                        std::vector<Intervention*> interventions) {
  costs_[component].layers += setting_.layers - layer;
  return view.logits_from(layer, x, std::move(interventions));
}

// Layers below `layer` are unchanged, so the forward pass starts from the batch's residual stream there.
Tensor Erasure::erased_logits(const BatchView& view, Variant variant, Component component, int64_t layer) {
  const Tensor instead = replacement(view, variant, component, layer);
  const std::string name = name_of(component);
  if (component == Component::attention) {
    Replacement taken_out(layer, instead);
    return counted(name, view, layer, view.residuals[layer], {&taken_out});
  }
  Tensor x = view.residuals[layer];
  if (component == Component::mlp) x = x + attention_[layer];
  if (instead.defined()) x = x + instead;
  return counted(name, view, layer + 1, x);
}

std::vector<Outcome> Erasure::outcomes(const BatchView& view, const Tensor& logits) const {
  const Tensor log_p = at::log_softmax(logits.cpu().to(c10::ScalarType::Double), -1);
  std::vector<Outcome> found;
  for (int64_t b = 0; b < std::ssize(view.clips); ++b) {
    const int64_t truth = setting_.labels[view.clips[b]];
    found.push_back({log_p[b].argmax().item<int64_t>() == truth ? 1.0 : 0.0, -log_p[b][truth].item<double>(),
                     std::exp(log_p[b].max().item<double>())});
  }
  return found;
}

void Erasure::add(const BatchView& view, RowKey key, const char* metric, size_t clip, double value) {
  if (!chosen_.contains(view.clips[clip])) return;
  key.metric = metric;
  curves_.add(view.fold.fold, view.clips[clip], key, value, kind_of(key.metric));
}

void Erasure::add_levels(const BatchView& view, const RowKey& key, const std::vector<Outcome>& of) {
  for (size_t i = 0; i < of.size(); ++i) {
    add(view, key, "accuracy", i, of[i].accuracy);
    add(view, key, "loss", i, of[i].loss);
    add(view, key, "confidence", i, of[i].confidence);
  }
}

void Erasure::single(const BatchView& view, Variant variant, Component component) {
  RowKey key{
      .model = std::string(name_of(view.subject.role)), .variant = name_of(variant), .component = name_of(component)};
  ++costs_[key.component].times;
  for (int64_t l = 0; l < setting_.layers; ++l) {
    key.layer = l;
    const auto erased = outcomes(view, erased_logits(view, variant, component, l));
    for (size_t i = 0; i < erased.size(); ++i) {
      const double accuracy = whole_[i].accuracy - erased[i].accuracy, loss = erased[i].loss - whole_[i].loss,
                   confidence = whole_[i].confidence - erased[i].confidence;
      add(view, key, "accuracy_drop", i, accuracy);
      add(view, key, "loss_increase", i, loss);
      add(view, key, "confidence_drop", i, confidence);
      add(view, key, "score", i, accuracy + 0.5 * confidence - 0.1 * loss);
    }
  }
}

void Erasure::progressive(const BatchView& view, Variant variant) {
  RowKey key{.model = std::string(name_of(view.subject.role)), .variant = name_of(variant)};
  const int64_t layers = setting_.layers;
  // Writes to a copy of the residuals, so that a head that reads all layers reads the ablated ones.
  const auto erase = [&](BatchView& erased, int64_t l) {
    const Tensor instead = replacement(view, variant, Component::layer, l);
    const Tensor& in = erased.residuals[l];
    erased.residuals[l + 1] = instead.defined() ? in + instead : in;
  };
  const auto answer = [&](const char* component, int64_t k, const BatchView& erased, int64_t from) {
    key.component = component;
    key.layer = k;
    const Tensor logits = k == 0 ? view.logits : counted(component, erased, from, erased.residuals[from]);
    add_levels(view, key, outcomes(view, logits));
  };
  ++costs_["first-k"].times;
  BatchView bottom = view;
  for (int64_t k = 0; k <= layers; ++k) {
    if (k > 0) erase(bottom, k - 1);
    answer("first-k", k, bottom, k);
  }
  if (!form_.last_too) return;
  for (int64_t k = 0; k <= layers; ++k) {
    BatchView top = view;
    for (int64_t l = layers - k; l < layers; ++l) erase(top, l);
    answer("last-k", k, top, layers);
  }
}

void Erasure::end_batch(const BatchView& view) {
  if (view.part != Part::test) return;
  if (std::ranges::none_of(view.clips, [&](int64_t clip) { return chosen_.contains(clip); })) return;
  whole_ = outcomes(view, view.logits);
  add_levels(view, {.model = std::string(name_of(view.subject.role)), .component = "none"}, whole_);
  draws_.clear();
  for (int64_t l = 0; l < setting_.layers && !outputs_.empty(); ++l) draws_.push_back(drawn_rows(view, l));
  for (const Variant variant : {Variant::zero, Variant::mean, Variant::resample}) {
    if (variant != Variant::zero && outputs_.empty()) continue;
    for (const Component component : {Component::layer, Component::attention, Component::mlp})
      if (form_.modules_too || component == Component::layer) single(view, variant, component);
    progressive(view, variant);
  }
  attention_.clear();
}

Findings Erasure::finish() {
  Findings findings;
  findings.notes = notes_;
  findings.rows = curves_.rows();
  if (findings.rows.empty()) findings.notes.push_back("No test clip was seen, so nothing could be ablated.");
  for (Row& row : curves_.differences("adapted", "frozen")) findings.rows.push_back(std::move(row));
  if (form_.drawn_clips)
    findings.notes.push_back(fmt::format("{} of the test clips, drawn with the seed.", chosen_.size()));
  std::string costs;
  for (const auto& [component, cost] : costs_)
    if (cost.times > 0)
      costs +=
          fmt::format("{}{:.2f} ({})", costs.empty() ? "" : ", ",
                      static_cast<double>(cost.layers) / static_cast<double>(cost.times * setting_.layers), component);
  if (!costs.empty())
    findings.notes.push_back(fmt::format(
        "Layers below the ablated one are not run again: ablating each of {} layers cost this number of full forward "
        "passes per variant: {}.",
        setting_.layers, costs));
  describe_erasure(setting_.layers, findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_erasure(const Setting& setting) {
  return std::make_unique<Erasure>(setting, setting.protocol.as_published ? published_form : strict_form);
}

}  // namespace loralens
