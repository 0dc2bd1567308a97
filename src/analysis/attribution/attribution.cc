// SPDX-License-Identifier: Apache-2.0
// Attribution: which attention heads and which MLPs make the answer?
//
// Split (metric `logit`): the logit of the true class, less the mean over classes, is a sum of what the embedding, each
// attention head, each MLP and the biases add to the last layer's output (logit_parts.h), in the adapted and in the
// frozen model.
//
// Attribution patching (metrics `attributed` and `patched`): what changes in the log-probability of the true class if
// the output of one attention or one MLP is exchanged between the models, by exact patches and estimated from
// gradients. Both are means over the two directions: ((F(a') - F(a)) + (G(a') - G(a))) / 2 for the frozen model F,
// whose own output is a, and the adapted model G, whose own output is a'. The estimate is
// (∂F/∂a + ∂G/∂a') · (a' - a) / 2, integrated gradients by the trapezoidal rule; the heads of an attention have such
// estimates too.
#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <map>

#include "analysis/analyses.h"
#include "analysis/answer_curves.h"
#include "analysis/attribution/logit_parts.h"
#include "analysis/attribution/part_gradients.h"
#include "analysis/attribution/rank_correlation.h"
#include "analysis/attribution/words.h"
#include "analysis/causal/patch.h"
#include "analysis/causal/two_models.h"
#include "base/device.h"

namespace loralens {
namespace {

using at::Tensor;

// The sum of each clip's rows: B, on the CPU.
Tensor sums_of_clips(const BatchView& view, const Tensor& rows) {
  std::vector<Tensor> sums;
  for (const Tensor& clip : rows.split_with_sizes(view.clip_rows)) sums.push_back(clip.sum());
  return at::stack(sums).cpu();
}

class Attribution : public TwoModelAnalysis {
 public:
  explicit Attribution(const Setting& setting)
      : TwoModelAnalysis(setting, "attribution"), clips_(setting), effects_(setting) {}

  bool wants_models_together(Part part) const override { return part == Part::test; }
  void begin_fold(const FoldSubjects& fold) override {
    TwoModelAnalysis::begin_fold(fold);
    splits_ = fold.adapted.model.head.reads_last_layer();
  }
  void end_batch(const BatchView& view) override;
  void end_models(const ModelViews& views) override;
  Findings finish() override;

 private:
  RowKey key(const std::string& model, size_t head, std::optional<int64_t> layer, const std::string& component,
             const char* metric) const {
    return {.model = model, .variant = heads_.variant(head), .layer = layer, .component = component, .metric = metric};
  }
  void split(const BatchView& view);
  void attribute(const BatchView& adapted, const BatchView& frozen);
  void patch(const BatchView& source, const BatchView& target, double sign, std::vector<std::vector<Tensor>>& effects);
  void add_effect(const BatchView& view, const RowKey& key, const Tensor& of_clips);

  ClipCurves clips_, effects_;
  std::map<RowKey, double> sums_;  // of effects over clips, for their rank correlation
  std::vector<ClipFinding> told_;
  bool splits_ = true;  // whether the head reads the last layer alone
};

void Attribution::end_batch(const BatchView& view) {
  TwoModelAnalysis::end_batch(view);
  if (view.part == Part::test && splits_) split(view);
}

void Attribution::split(const BatchView& view) {
  const std::string model(name_of(view.subject.role));
  const int64_t attention_heads = view.subject.encoder.config.heads;
  std::vector<LogitReader> readers;
  for (const Head* head : heads_.heads()) readers.emplace_back(view, *head);
  const Tensor truth = on_device(view.labels(), c10::kCPU).unsqueeze(1);
  // Adds a part's share (B×C) of the true classes' logits, and returns these (B).
  const auto add = [&](size_t head, std::optional<int64_t> layer, const std::string& component, const Tensor& share) {
    Tensor values = share.cpu().gather(1, truth).squeeze(1);
    for (size_t i = 0; i < view.clips.size(); ++i)
      clips_.add(view.fold.fold, view.clips[i], key(model, head, layer, component, "logit"),
                 values[static_cast<int64_t>(i)].item<double>());
    return values;
  };
  std::map<std::pair<size_t, const char*>, Tensor> over_layers;
  Tensor told = at::zeros({std::ssize(view.clips), setting_.layers, attention_heads}, c10::ScalarType::Double);
  for (int64_t layer = 0; layer < setting_.layers; ++layer) {
    const LayerParts parts = layer_parts(view, layer);
    for (size_t h = 0; h < readers.size(); ++h) {
      for (const auto& [component, part] : {std::pair{"attention", &parts.attention}, std::pair{"mlp", &parts.mlp}}) {
        const Tensor share = readers[h].read(*part);
        add(h, layer, component, share);
        Tensor& sum = over_layers[{h, component}];
        sum = sum.defined() ? sum + share : share;
      }
      const auto of_heads = readers[h].read_heads(parts, attention_heads);
      for (size_t i = 0; i < of_heads.size(); ++i) {
        const Tensor shares = add(h, layer, fmt::format("head-{:02}", i), of_heads[i]);
        if (h == 0) told.select(1, layer).select(1, static_cast<int64_t>(i)).copy_(shares);
      }
    }
  }
  for (const auto& [part, sum] : over_layers) add(part.first, {}, part.second, sum);
  for (size_t h = 0; h < readers.size(); ++h) {
    const Tensor embedding = readers[h].read(view.residuals.front().to(c10::ScalarType::Double));
    const Tensor bias = readers[h].bias().expand({embedding.size(0), -1});
    add(h, -1, "embedding", embedding);
    add(h, {}, "bias", bias);
    add(h, {}, "none", embedding + bias + over_layers.at({h, "attention"}) + over_layers.at({h, "mlp"}));
  }
  if (view.subject.role == Role::adapted) view.tell("heads", told, told_);
}

void Attribution::end_models(const ModelViews& views) {
  if (splits_) attribute(views.of(Role::adapted), views.of(Role::frozen));
}

void Attribution::add_effect(const BatchView& view, const RowKey& key, const Tensor& of_clips) {
  for (size_t i = 0; i < view.clips.size(); ++i) {
    const double value = of_clips[static_cast<int64_t>(i)].item<double>();
    effects_.add(view.fold.fold, view.clips[i], key, value);
    sums_[key] += value;
  }
}

// Log-probabilities (B) of the true classes under each head.
std::vector<Tensor> of_truth(const BatchView& view, const std::vector<Tensor>& logits) {
  std::vector<Tensor> found;
  for (const Tensor& of_head : logits) {
    const Tensor log_p = log_probabilities(of_head);
    std::vector<Tensor> values;
    for (size_t i = 0; i < view.clips.size(); ++i)
      values.push_back(log_p[static_cast<int64_t>(i)][view.setting.labels[view.clips[i]]]);
    found.push_back(at::stack(values));
  }
  return found;
}

// Adds to effects[head][2 * layer + part] half of the change (B) that the source's outputs make in the target.
void Attribution::patch(const BatchView& source, const BatchView& target, double sign,
                        std::vector<std::vector<Tensor>>& effects) {
  const auto plain = of_truth(target, target.logits_under(heads_.heads(), setting_.layers, target.residuals.back()));
  for (int64_t layer = 0; layer < setting_.layers; ++layer) {
    const auto values = source.values_at(layer, patched_sites);
    for (size_t p = 0; p < values.size(); ++p) {
      Patch patch({patched_sites[p], layer}, values[p]);
      const auto changed =
          of_truth(target, target.logits_under(heads_.heads(), layer, target.residuals[layer], {&patch}));
      for (size_t h = 0; h < changed.size(); ++h) {
        Tensor& effect = effects[h][2 * static_cast<size_t>(layer) + p];
        const Tensor half = sign / 2 * (changed[h] - plain[h]);
        effect = effect.defined() ? effect + half : half;
      }
    }
  }
}

// The means of two models' gradients.
PartGradients mean_of(const PartGradients& a, const PartGradients& b) {
  PartGradients mean;
  for (size_t layer = 0; layer < a.mlp.size(); ++layer) {
    mean.attention.push_back((a.attention[layer] + b.attention[layer]) / 2);
    mean.mlp.push_back((a.mlp[layer] + b.mlp[layer]) / 2);
  }
  return mean;
}

void Attribution::attribute(const BatchView& adapted, const BatchView& frozen) {
  const size_t readers = heads_.heads().size();
  std::vector<std::vector<Tensor>> exact(readers, std::vector<Tensor>(2 * static_cast<size_t>(setting_.layers)));
  patch(adapted, frozen, 1, exact);
  patch(frozen, adapted, -1, exact);
  std::vector<PartGradients> slopes;  // by head
  for (const Head* head : heads_.heads())
    slopes.push_back(mean_of(part_gradients(frozen, *head), part_gradients(adapted, *head)));
  const int64_t attention_heads = adapted.subject.encoder.config.heads;
  for (int64_t layer = 0; layer < setting_.layers; ++layer) {
    const LayerParts after = layer_parts(adapted, layer), before = layer_parts(frozen, layer);
    for (size_t h = 0; h < readers; ++h) {
      const Tensor &attention = slopes[h].attention[layer], &mlp = slopes[h].mlp[layer];
      const auto add = [&](const std::string& component, const char* metric, const Tensor& of_clips) {
        add_effect(adapted, key("adapted-frozen", h, layer, component, metric), of_clips);
      };
      add("attention", "attributed", sums_of_clips(adapted, attention * (after.attention - before.attention)));
      add("mlp", "attributed", sums_of_clips(adapted, mlp * (after.mlp - before.mlp)));
      for (size_t p = 0; p < patched_parts.size(); ++p)
        add(patched_parts[p], "patched", exact[h][2 * static_cast<size_t>(layer) + p]);
      const Tensor moved = at::matmul(attention, after.out_proj) * after.heads -
                           at::matmul(attention, before.out_proj) * before.heads;  // ΣT×(H·K)
      const int64_t width = moved.size(1) / attention_heads;
      for (int64_t i = 0; i < attention_heads; ++i)
        add(fmt::format("head-{:02}", i), "attributed", sums_of_clips(adapted, moved.narrow(1, i * width, width)));
    }
  }
}

Findings Attribution::finish() {
  Findings findings;
  findings.clips = told_;
  for (const auto& rows : {clips_.rows(), clips_.differences("adapted", "frozen"), effects_.rows()})
    findings.rows.insert(findings.rows.end(), rows.begin(), rows.end());
  std::map<std::string, std::pair<std::vector<double>, std::vector<double>>> pairs;  // by variant
  int64_t clips = 0;
  for (const auto& [exact, sum] : sums_) {
    if (exact.metric != "patched") continue;
    RowKey estimate = exact;
    estimate.metric = "attributed";
    pairs[exact.variant].first.push_back(sums_.at(estimate));
    pairs[exact.variant].second.push_back(sum);
    if (const Row* row = find_row(findings.rows, exact)) clips = row->n;
  }
  for (const auto& [variant, values] : pairs)
    if (const double correlation = rank_correlation(values.first, values.second); std::isfinite(correlation))
      findings.rows.push_back({.key = {.model = "adapted-frozen", .variant = variant, .metric = "rank_correlation"},
                               .fold = {},
                               .value = correlation,
                               .n = clips,
                               .seed = {},
                               .estimand = {},
                               .without_interval = {}});
  findings.notes = notes_;
  if (!splits_)
    findings.notes.push_back(
        "Nothing was measured, because the head does not read the last layer alone: its logits are no sum over the "
        "parts of the last layer's output.");
  else if (findings.rows.empty())
    findings.notes.push_back("No test clip was seen, so nothing could be measured.");
  describe_attribution(findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_attribution(const Setting& setting) { return std::make_unique<Attribution>(setting); }

}  // namespace loralens
