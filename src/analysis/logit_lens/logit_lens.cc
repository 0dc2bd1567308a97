// SPDX-License-Identifier: Apache-2.0
// The logit lens (nostalgebraist, 2020, "interpreting GPT: the logit lens"): the model's own head reads each layer's
// residual stream, pooled over all positions of the clip like the last layer's. Also the tuned lens (tuned_lens.h).
//
// form.h lists how the strict and the published form differ. If the head reads a weighted sum of all layers, the strict
// form reads each state as it enters that sum (only the last state is normed). The weighted mean of these lens logits
// is the model's own logits; no single layer gives them.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "analysis/analyses.h"
#include "analysis/curves.h"
#include "analysis/logit_lens/form.h"
#include "analysis/logit_lens/tuned_lens.h"
#include "analysis/logit_lens/words.h"
#include "analysis/refitted_head.h"
#include "base/device.h"
#include "base/random.h"
#include "statistics/quantile.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr std::array quantiles = {0.1, 0.25, 0.5, 0.75, 0.9};
constexpr int64_t sampled_positions = 32;  // per clip, to fit the tuned lens on
constexpr int64_t sample_bytes = int64_t{256} << 20;  // limit per model and part; beyond it fewer positions per clip
constexpr int64_t least_sampled_positions = 8;

Tensor in_double(const Tensor& x) { return x.detach().cpu().to(c10::ScalarType::Double); }

// The head as one linear layer: C×D. In the type and on the device of `like`.
Linear joined(const Head& head, const at::TensorOptions& like) {
  const Tensor classifier = in_double(head.classifier.weight);
  return {at::matmul(classifier, in_double(head.projector.weight)).to(like),
          at::linear(in_double(head.projector.bias), classifier, in_double(head.classifier.bias)).to(like)};
}

class LogitLens : public Analysis {
 public:
  LogitLens(const Setting& setting, const LensForm& form)
      : setting_(setting), form_(form), curves_(setting), confusions_(setting) {}

  bool wants(Part part, Role role) const override {
    if (role == Role::untrained || (role == Role::frozen && !form_.frozen_too)) return false;
    return part == Part::test || (part == Part::fit && form_.tuned_too);
  }
  bool wants_residuals(Part part, Role role) const override { return wants(part, role); }

  void begin_fold(const FoldSubjects& fold) override;
  void end_batch(const BatchView& view) override;
  Findings finish() override;

 private:
  // Samples that a model's tuned lenses are fitted on.
  struct Samples {
    std::vector<std::vector<Tensor>> positions;  // by layer -1..N-2, then by clip: P×D
    std::vector<Tensor> final;  // by clip: C log-probabilities
    std::vector<std::string> groups;  // by clip: its speaker
    std::vector<std::vector<Tensor>> pooled;  // by state 0..N, then by batch: B×D, float64
    std::vector<int64_t> labels;  // by clip
  };
  // Tuned lenses of one layer: fitted to the model's answers, and to permuted answers (the control).
  struct Maps {
    TunedMap tuned, permuted;
  };

  Norm norm_of(const Subject& subject, int64_t state) const;
  LensHead lens_of(const Subject& subject, int64_t state, const at::TensorOptions& like) const;
  void keep(const BatchView& view);
  Tensor pooled(const BatchView& view, int64_t state) const;
  void fit(const FoldSubjects& fold, const Subject& subject);
  void read_with_other_heads(const BatchView& view, int64_t state, const Tensor& pooled);
  Tensor read(const BatchView& view, int64_t state, const std::string& variant, const Tensor& logits);
  void add_logits(const BatchView& view, RowKey key, int64_t clip, const Tensor& logits);
  void count_underflow(const RowKey& key, const Tensor& logits, const Tensor& final);
  std::vector<Row> quantile_rows() const;

  const Setting& setting_;
  LensForm form_;
  ClipCurves curves_;
  ConfusionCurves confusions_;
  std::map<RowKey, std::vector<double>> logits_;  // by component = true class, without metric
  std::map<RowKey, std::pair<int64_t, int64_t>> underflows_;  // underflows, clips
  std::map<Role, Samples> samples_;
  std::map<Role, std::vector<Maps>> maps_;  // of layers -1..N-2; empty: none could be fitted
  std::map<Role, std::vector<RefittedHead>> refitted_;  // of layers -1..N-1; empty: none could be fitted
  std::optional<Linear> adapted_head_;  // the adapted model's, as one layer; none if the frozen model has the same
  std::vector<ClipFinding> clips_;
  std::vector<std::string> notes_;
  bool weighted_ = false, tuned_ = false;
  int64_t fold_ = 0;
};

void LogitLens::begin_fold(const FoldSubjects& fold) {
  samples_.clear();
  maps_.clear();
  refitted_.clear();
  adapted_head_ = joined(fold.adapted.model.head, c10::ScalarType::Double);
  weighted_ = fold.adapted.model.head.layer_weights.defined();
  fold_ = fold.fold;
  if (!setting_.compared) return;
  if (at::equal(adapted_head_->weight, joined(fold.frozen.model.head, c10::ScalarType::Double).weight))
    adapted_head_.reset();
  weighted_ |= fold.frozen.model.head.layer_weights.defined();
}

// The norm through which the head reads a state (0: the embedding, ..., N: the last layer's output); undefined: none.
Norm LogitLens::norm_of(const Subject& subject, int64_t state) const {
  if (!form_.final_norm || (state < setting_.layers && subject.model.head.layer_weights.defined())) return {};
  return {subject.encoder.norm.weight.detach(), subject.encoder.norm.bias.detach()};
}

LensHead LogitLens::lens_of(const Subject& subject, int64_t state, const at::TensorOptions& like) const {
  return {norm_of(subject, state), joined(subject.model.head, like)};
}

// Keeps evenly spaced positions of each clip; a clip with fewer positions repeats some.
void LogitLens::keep(const BatchView& view) {
  Samples& samples = samples_[view.subject.role];
  samples.positions.resize(setting_.layers);
  const int64_t bytes = setting_.layers * setting_.width * 4 * std::ssize(view.fold.of(view.part));
  const int64_t count =
      std::clamp(sample_bytes / std::max<int64_t>(bytes, 1), least_sampled_positions, sampled_positions);
  const Tensor final = at::log_softmax(view.logits, -1).cpu();
  for (int64_t b = 0; b < std::ssize(view.clips); ++b) {
    samples.final.push_back(final[b]);
    const int64_t clip = view.clips[b];
    samples.groups.push_back(setting_.group_of(clip));
    samples.labels.push_back(setting_.labels[clip]);
  }
  samples.pooled.resize(setting_.layers + 1);
  for (int64_t state = 0; state <= setting_.layers; ++state) samples.pooled[state].push_back(pooled(view, state));
  for (size_t state = 0; state < samples.positions.size(); ++state) {
    const auto clips = view.residuals[state].split_with_sizes(view.clip_rows);
    for (const Tensor& clip : clips) {
      std::vector<int64_t> rows;
      for (int64_t i = 0; i < count; ++i) rows.push_back((2 * i + 1) * clip.size(0) / (2 * count));
      const Tensor chosen = on_device(rows, clip.device());
      samples.positions[state].push_back(clip.index_select(0, chosen).cpu());
    }
  }
}

// The ridge is chosen on clips of speakers that the map was not fitted on.
void LogitLens::fit(const FoldSubjects& fold, const Subject& subject) {
  const auto device = subject.encoder.device();
  Samples& samples = samples_[subject.role];
  auto& maps = maps_[subject.role];
  const auto held_out = held_out_clips(samples.groups, hash_of(setting_.seed, hash_of("tuned lens"), fold.fold));
  if (held_out.empty()) {
    notes_.push_back(
        fmt::format("{}: no tuned lens and no refitted head of the {} model, as it has only {} clips to fit them on.",
                    setting_.folder_of(fold.fold), name_of(subject.role), samples.final.size()));
    return;
  }
  const auto part = [&](size_t state, bool of_held_out) {
    std::vector<Tensor> positions, final;
    for (size_t clip = 0; clip < samples.final.size(); ++clip) {
      if (held_out.contains(clip) != of_held_out) continue;
      positions.push_back(samples.positions[state][clip]);
      final.push_back(samples.final[clip]);
    }
    return LensSamples{at::stack(positions).to(device), at::stack(final).to(device)};
  };
  const Tensor labels = at::tensor(samples.labels, c10::ScalarType::Long);
  for (const auto& batches : samples.pooled)
    refitted_[subject.role].push_back(
        fit_refitted_head({at::cat(batches), labels, {}, std::ssize(setting_.classes)}, held_out));
  for (size_t state = 0; state < samples.positions.size(); ++state) {
    const LensSamples fitted = part(state, false);
    const LensHead lens = lens_of(subject, static_cast<int64_t>(state), fitted.positions.options());
    const TunedMap tuned = fit_tuned_lens(lens, fitted, part(state, true));
    maps.push_back({tuned, fit_to_permuted(lens, fitted, tuned, hash_of(setting_.seed, fold.fold, state))});
    samples.positions[state].clear();
  }
}

// The mean over positions of this state, B×D, as a head reads it; float64, CPU.
Tensor LogitLens::pooled(const BatchView& view, int64_t state) const {
  const Tensor& x = view.residuals[state];
  return in_double(mean_over_clips(LensHead{norm_of(view.subject, state), {}}.normed(x), view.pass));
}

// The state under heads besides the model's own: one refitted on training clips and, for the encoder without adapters,
// that of the adapted model.
void LogitLens::read_with_other_heads(const BatchView& view, int64_t state, const Tensor& pooled) {
  const Role role = view.subject.role;
  if (const auto& refitted = refitted_[role]; !refitted.empty())
    read(view, state, "refitted", refitted[state].logits(pooled));
  if (role == Role::frozen && adapted_head_)
    read(view, state, "adapted-head", at::linear(pooled, adapted_head_->weight, adapted_head_->bias));
}

// logits: B×C, float64, CPU. Returns log-probabilities.
Tensor LogitLens::read(const BatchView& view, int64_t state, const std::string& variant, const Tensor& logits) {
  const Tensor log_q = at::log_softmax(logits, -1), log_p = at::log_softmax(in_double(view.logits), -1);
  const Tensor kl = (log_p.exp() * (log_p - log_q)).sum(-1), entropy = -(log_q.exp() * log_q).sum(-1);
  const Tensor predicted = logits.argmax(-1), answer = log_p.argmax(-1);
  const RowKey key{.model = std::string(name_of(view.subject.role)), .variant = variant, .layer = state - 1};
  for (int64_t b = 0; b < std::ssize(view.clips); ++b) {
    const int64_t clip = view.clips[b], guess = predicted[b].item<int64_t>();
    const auto add = [&](const char* metric, double value, MeanOf kind = MeanOf::numbers) {
      RowKey named = key;
      named.metric = metric;
      curves_.add(fold_, clip, named, value, kind);
    };
    add("kl", kl[b].item<double>(), MeanOf::amounts);
    add("overlap", guess == answer[b].item<int64_t>(), MeanOf::shares);
    if (form_.underflows) count_underflow(key, logits[b], view.logits[b].cpu());
    if (form_.scores_too) confusions_.add(fold_, clip, key, guess);
    if (form_.scores_too && variant.empty()) add("entropy", entropy[b].item<double>(), MeanOf::amounts);
    if (variant.empty()) add_logits(view, key, clip, logits[b]);
  }
  return log_q;
}

void LogitLens::add_logits(const BatchView& view, RowKey key, int64_t clip, const Tensor& logits) {
  const std::string& truth = setting_.classes[setting_.labels[clip]];
  for (size_t c = 0; c < setting_.classes.size(); ++c) {
    const double value = logits[static_cast<int64_t>(c)].item<double>();
    key.class_name = setting_.classes[c];
    key.metric = "logit";
    key.component.clear();
    curves_.add(fold_, clip, key, value);
    if (!form_.scores_too) continue;
    key.component = truth;
    logits_[key].push_back(value);
  }
}

// The published code takes softmax().log() in float32: a probability that underflows to 0 makes the KL infinite or NaN.
void LogitLens::count_underflow(const RowKey& key, const Tensor& logits, const Tensor& final) {
  const auto rounds_to_zero = [](const Tensor& row) {
    return at::softmax(row.to(c10::ScalarType::Float), -1).min().item<float>() == 0;
  };
  auto& [underflows, clips] = underflows_[key];
  underflows += rounds_to_zero(logits) || rounds_to_zero(final);
  ++clips;
}

void LogitLens::end_batch(const BatchView& view) {
  if (view.part != Part::test) return keep(view);
  const Role role = view.subject.role;
  if (form_.tuned_too && !maps_.contains(role)) fit(view.fold, view.subject);
  const auto& maps = maps_[role];
  std::vector<Tensor> probabilities;  // B×C of each state
  for (int64_t state = form_.first_state; state <= setting_.layers; ++state) {
    const Tensor& x = view.residuals[state];
    const LensHead lens = lens_of(view.subject, state, at::TensorOptions(c10::ScalarType::Double));
    const Tensor pooled = this->pooled(view, state);
    probabilities.push_back(read(view, state, "", lens.logits(pooled)).exp());
    if (form_.tuned_too) read_with_other_heads(view, state, pooled);
    if (maps.empty()) continue;
    tuned_ = true;
    if (state == setting_.layers) {
      read(view, state, "tuned", lens.logits(pooled));
      continue;
    }
    const auto& [tuned, permuted] = maps[state];
    const auto through = [&](const TunedMap& map) {
      return lens.logits(in_double(mean_over_clips(lens.normed(map(x)), view.pass)));
    };
    read(view, state, "tuned", through(tuned));
    read(view, state, "tuned-permuted", through(permuted));
  }
  if (form_.clips_too) view.tell(std::string(name_of(role)), at::stack(probabilities, 1), clips_);  // B×(N+1)×C
}

// Quantiles of the logits over the clips of each true class, pooled over folds.
std::vector<Row> LogitLens::quantile_rows() const {
  std::vector<Row> rows;
  for (const auto& [key, unsorted] : logits_) {
    std::vector<double> values = unsorted;
    std::ranges::sort(values);
    for (const double q : quantiles) {
      Row row{.key = key, .value = quantile(values, q), .n = std::ssize(values)};
      row.key.metric = fmt::format("logit_q{:.0f}", 100 * q);
      row.estimand = "pooled";
      if (setting_.folds == 1) row.fold = fold_;
      rows.push_back(row);
    }
  }
  return rows;
}

Findings LogitLens::finish() {
  Findings findings;
  findings.notes = notes_;
  findings.rows = curves_.rows();
  if (findings.rows.empty()) findings.notes.push_back("No test clip was seen, so no layer could be read.");
  for (Row& row : confusions_.rows()) findings.rows.push_back(std::move(row));
  for (Row& row : quantile_rows()) findings.rows.push_back(std::move(row));
  int64_t underflows = 0;
  for (const auto& [key, counts] : underflows_) {
    Row row{.key = key, .fold = fold_, .value = static_cast<double>(counts.first), .n = counts.second};
    row.key.metric = "underflow";
    findings.rows.push_back(row);
    underflows += counts.first;
  }
  if (underflows > 0)
    findings.notes.push_back(
        fmt::format("softmax().log() in float32, as published, would be infinite {} times (metric "
                    "underflow); log-softmax in float64 is used instead.",
                    underflows));
  if (tuned_)
    findings.notes.push_back(fmt::format(
        "The tuned lens is fitted on at most {} evenly spaced positions of at most {} training clips of each "
        "fold. Its ridge is chosen on a third of these clips, from speakers on whom the map is not fitted. The map has "
        "more parameters than clips: compare it with tuned-permuted, the same map fitted to the answers of "
        "other clips. The last layer needs no map.",
        sampled_positions, setting_.fit_clips));
  if (weighted_)
    findings.notes.push_back(
        "The head reads a weighted sum of all layers: each state is read as it enters that sum, through "
        "projector and classifier, so no single layer gives the model's own logits, not even the last.");
  findings.clips = clips_;
  describe_logit_lens(form_, setting_.layers, tuned_, findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_logit_lens(const Setting& setting) {
  return std::make_unique<LogitLens>(setting, setting.protocol.as_published ? published_lens : strict_lens);
}

}  // namespace loralens
