// SPDX-License-Identifier: Apache-2.0
// Gradient flow: per-clip norms of the loss's gradient for A and B of each LoRA adapter and in the residual stream; as
// baseline, the same with a random direction at the logits instead of the loss.
//
// A clip's gradients of A and B are computed from its activations and equal those of a batch of one:
//   dB = Σ g_upᵀ (A x),  dA = Σ g_downᵀ x  over all rows of the clip (the tail is part of the gradient),
// where g_up and g_down are the gradients at B A x and A x. g_up already includes the scale of the update.
#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "analysis/adapted_modules.h"
#include "analysis/analyses.h"
#include "analysis/curves.h"
#include "analysis/gradients/words.h"

namespace loralens {
namespace {

using at::Tensor;

// The key of a row of this view's model and backward pass.
RowKey named_by(const BatchView& view, RowKey key, const char* metric) {
  key.model = name_of(view.subject.role);
  key.variant = view.random_cotangent ? "random-cotangent" : "";
  key.metric = metric;
  return key;
}

class Gradients : public Analysis {
 public:
  explicit Gradients(const Setting& setting) : setting_(setting), curves_(setting) {}

  bool wants(Part part, Role role) const override { return part == Part::test; }
  bool wants(Part part, Role role, const Site& site) const override {
    if (!wants(part, role)) return false;
    if (is_stream(site)) return true;
    if (role == Role::frozen) return false;
    return std::ranges::any_of(setting_.adapted, [&](const Place& place) {
      return site == Site{SiteKind::adapter_down, place.layer, place.module} ||
             site == Site{input_of(place.module), place.layer};
    });
  }
  bool wants_gradient(Part part, Role role, const Site& site) const override {
    if (!wants(part, role)) return false;
    if (site.module != Module::none)  // an untrained model of another shape may have adapters elsewhere
      return role != Role::frozen && std::ranges::count(setting_.adapted, Place{site.layer, site.module}) > 0;
    return is_stream(site);
  }
  bool wants_random_cotangent(Part part, Role role) const override { return wants(part, role); }

  void see(const BatchView& view, const Site& site, const Tensor& value) override { values_[site] = value; }
  void end_batch(const BatchView& view) override { errors_ = errors_of(view); }
  void see_gradient(const BatchView& view, const Site& site, const Tensor& gradient) override;
  void end_gradients(const BatchView& view) override;
  void end_fold(const FoldSubjects&) override { values_.clear(); }
  Findings finish() override;

 private:
  // Norms per clip, by layer, module and component (the other fields of the key are empty).
  using Norms = std::map<RowKey, std::vector<double>>;

  // The residual stream between layers, the embedding and the last layer's output.
  bool is_stream(const Site& site) const {
    return site.kind == SiteKind::residual_in ||
           (site.kind == SiteKind::residual_out && site.layer == setting_.layers - 1);
  }
  std::vector<double> errors_of(const BatchView& view) const;
  void add_parameter(const BatchView& view, const Place& place, const char* component, const Tensor& left,
                     const Tensor& right);
  void add_stream(const BatchView& view, const Site& site, const Tensor& gradient);
  void add_flow(const BatchView& view);

  const Setting& setting_;
  ClipCurves curves_;
  std::map<Site, Tensor> values_;  // of the current batch: inputs x, A x and the residual streams
  std::vector<double> errors_;     // ‖p - y‖ of its clips
  Norms norms_;   // of the current backward pass, one per clip
  Norms scaled_;  // of the residual stream: times the norm of the stream
  std::set<std::string> notes_;
  std::set<std::pair<Role, int64_t>> certain_;  // clips whose error is 0 in float32
};

// ‖p - y‖ of each clip, in the precision of the pass: it is 0 exactly where the loss's gradient at the logits is 0.
std::vector<double> Gradients::errors_of(const BatchView& view) const {
  Tensor error = at::log_softmax(view.logits, 1).exp();
  for (size_t i = 0; i < view.clips.size(); ++i) error[static_cast<int64_t>(i)][setting_.labels[view.clips[i]]] -= 1;
  const Tensor norms = error.cpu().to(c10::ScalarType::Double).norm(2, {1}).contiguous();
  return {norms.const_data_ptr<double>(), norms.const_data_ptr<double>() + norms.numel()};
}

// The norm of leftᵀ right over each clip's rows. left: ΣT×m, right: ΣT×n.
void Gradients::add_parameter(const BatchView& view, const Place& place, const char* component, const Tensor& left,
                              const Tensor& right) {
  const auto wide = [&](const Tensor& x) {
    return x.to(c10::promoteTypes(x.scalar_type(), c10::ScalarType::Float)).split_with_sizes(view.clip_rows);
  };
  const auto lefts = wide(left), rights = wide(right);
  auto& norms = norms_[{.layer = place.layer, .module = std::string(name_of(place.module)), .component = component}];
  for (size_t i = 0; i < lefts.size(); ++i)
    norms.push_back(at::matmul(lefts[i].t(), rights[i]).to(c10::ScalarType::Double).norm().item<double>());
}

// The key's layer is the one whose output the stream is; the input of layer 0 is the embedding (-1).
void Gradients::add_stream(const BatchView& view, const Site& site, const Tensor& gradient) {
  const int64_t layer = site.kind == SiteKind::residual_out ? site.layer : site.layer - 1;
  const RowKey key{.layer = layer, .component = "activations"};
  const auto gradients = view.speech_of(gradient), streams = view.speech_of(values_.at(site));
  const auto norm = [](const Tensor& rows) { return rows.to(c10::ScalarType::Double).norm().item<double>(); };
  for (size_t i = 0; i < gradients.size(); ++i) {
    norms_[key].push_back(norm(gradients[i]));
    scaled_[key].push_back(norms_[key].back() * norm(streams[i]));
  }
}

void Gradients::see_gradient(const BatchView& view, const Site& site, const Tensor& gradient) {
  if (is_stream(site)) return add_stream(view, site, gradient);
  const Place place{site.layer, site.module};
  if (!factors_at(view.subject, place)) {
    notes_.insert("Gradients of A and B exist for adapters with two factors only; this model has others.");
    return;
  }
  if (site.kind == SiteKind::adapter_up)
    add_parameter(view, place, "B", gradient, values_.at({SiteKind::adapter_down, place.layer, place.module}));
  else
    add_parameter(view, place, "A", gradient, values_.at({input_of(place.module), place.layer}));
}

// How a gradient changes on its way back: log10 of the norm in the last layer that has one over the norm in the first.
void Gradients::add_flow(const BatchView& view) {
  for (const auto& [metric, of] :
       {std::pair{"log10_last_over_first", &norms_}, std::pair{"log10_last_over_first_scaled", &scaled_}}) {
    std::map<RowKey, std::map<int64_t, const std::vector<double>*>> curves;
    for (const auto& [key, norms] : *of) {
      RowKey whole = key;
      whole.layer = {};
      curves[whole][*key.layer] = &norms;
    }
    for (auto& [key, layers] : curves) {
      if (layers.size() < 2) continue;
      RowKey named = named_by(view, key, metric);
      const auto &first = *layers.begin()->second, &last = *layers.rbegin()->second;
      for (size_t i = 0; i < view.clips.size(); ++i)
        if (first[i] > 0 && last[i] > 0)
          curves_.add(view.fold.fold, view.clips[i], named, std::log10(last[i] / first[i]));
    }
  }
}

void Gradients::end_gradients(const BatchView& view) {
  for (const auto& [key, norms] : norms_)
    for (size_t i = 0; i < view.clips.size(); ++i) {
      curves_.add(view.fold.fold, view.clips[i], named_by(view, key, "norm"), norms[i]);
      if (view.random_cotangent) continue;  // unit length at the logits: norm_over_error would equal norm
      if (errors_[i] > 0)
        curves_.add(view.fold.fold, view.clips[i], named_by(view, key, "norm_over_error"), norms[i] / errors_[i]);
      else
        certain_.insert({view.subject.role, view.clips[i]});
    }
  for (const auto& [key, products] : scaled_)
    for (size_t i = 0; i < view.clips.size(); ++i)
      curves_.add(view.fold.fold, view.clips[i], named_by(view, key, "scaled_norm"), products[i]);
  add_flow(view);
  norms_.clear();
  scaled_.clear();
}

Findings Gradients::finish() {
  Findings findings;
  findings.rows = curves_.rows();
  findings.notes.assign(notes_.begin(), notes_.end());
  if (const std::string note = setting_.note_on_site_adapters(); !note.empty()) findings.notes.push_back(note);
  findings.notes.push_back(
      "Activations: speech frames, by the layer whose output they are (-1 the embedding). A and B: all rows of the "
      "clip. The random direction has unit length at the logits and its elements sum to 0, as those of p - y do; "
      "compare its norm with norm_over_error. scaled_norm: the norm of the gradient times that of the residual stream, "
      "which does not depend on the growth of the stream.");
  if (!certain_.empty())
    findings.notes.push_back(
        fmt::format("{} clips have an error of exactly 0 in the precision of the pass: they have "
                    "no "
                    "norm_over_error and no ratio of layers.",
                    certain_.size()));
  if (findings.rows.empty()) findings.notes.push_back("No test clip was seen, so nothing could be measured.");
  describe_gradients(setting_, findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_gradients(const Setting& setting) {
  if (setting.protocol.as_published) return make_paper_gradients(setting);
  return std::make_unique<Gradients>(setting);
}

}  // namespace loralens
