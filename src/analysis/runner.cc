// SPDX-License-Identifier: Apache-2.0
#include "analysis/runner.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/stack.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "base/error.h"
#include "base/memory.h"
#include "base/profile.h"
#include "base/random.h"
#include "classifier/forward.h"
#include "inference/predict.h"
#include "statistics/normal_values.h"

namespace loralens {
namespace {

using at::Tensor;

// Hands the tensors of a forward pass to the analyses; keeps the residuals and the tensors whose gradient is wanted.
class SiteReader : public Observer {
 public:
  SiteReader(const std::vector<Analysis*>& analyses, BatchView& view, bool residuals, bool gradients)
      : analyses_(analyses), view_(view), residuals_(residuals), gradients_(gradients) {}

  bool wants(const Site& site) const override {
    if (residuals_ && is_residual(site)) return true;
    for (const Analysis* analysis : analyses_)
      if (analysis->wants(view_.part, view_.subject.role, site) || wants_gradient(*analysis, site)) return true;
    return false;
  }

  void see(const Pass& pass, const Site& site, const Tensor& value, int64_t segment) override {
    const Timed time(Phase::analyses);
    const Tensor seen = value.detach();
    if (residuals_ && is_residual(site)) view_.residuals.push_back(seen);
    for (Analysis* analysis : analyses_) {
      if (analysis->wants(view_.part, view_.subject.role, site)) analysis->see(view_, site, seen);
      if (value.requires_grad() && wants_gradient(*analysis, site) && (sites.empty() || sites.back() != site)) {
        sites.push_back(site);
        values.push_back(value);
      }
    }
  }

  std::vector<Site> sites;     // whose gradient is wanted and exists
  std::vector<Tensor> values;  // attached to the autograd graph

 private:
  bool is_residual(const Site& site) const {
    return site.kind == SiteKind::residual_in ||
           (site.kind == SiteKind::residual_out && site.layer == view_.setting.layers - 1);
  }
  bool wants_gradient(const Analysis& analysis, const Site& site) const {
    return gradients_ && analysis.wants_gradient(view_.part, view_.subject.role, site);
  }

  const std::vector<Analysis*>& analyses_;
  BatchView& view_;
  bool residuals_, gradients_;
};

// All sites whose gradient an analysis may request.
std::vector<Site> gradient_sites(const Setting& setting) {
  std::vector<Site> sites;
  for (int64_t l = 0; l < setting.layers; ++l)
    for (const SiteKind kind : {SiteKind::residual_in, SiteKind::residual_out}) sites.push_back({kind, l});
  for (const Place& place : setting.adapted)
    for (const SiteKind kind : {SiteKind::adapter_down, SiteKind::adapter_up})
      sites.push_back({kind, place.layer, place.module});
  return sites;
}

// What these analyses want of one pass.
struct Wishes {
  std::vector<Analysis*> analyses;  // those that want the pass at all
  bool residuals = false, gradients = false, random_cotangent = false;
  bool stream_gradients = false;  // gradients of the residual stream
};

Wishes wishes_of(const std::vector<Analysis*>& analyses, const BatchView& view) {
  const Part part = view.part;
  const Role role = view.subject.role;
  const auto sites = gradient_sites(view.setting);
  Wishes wishes;
  for (Analysis* analysis : analyses) {
    if (!analysis->wants(part, role)) continue;
    wishes.analyses.push_back(analysis);
    wishes.residuals |= analysis->wants_residuals(part, role);
    wishes.random_cotangent |= analysis->wants_random_cotangent(part, role);
    for (const Site& site : sites)
      if (view.setting.has_head && analysis->wants_gradient(part, role, site)) {
        wishes.gradients = true;
        wishes.stream_gradients |= site.module == Module::none;
      }
  }
  return wishes;
}

// Sets the view's numbers of rows. speech: number of each clip's own positions, by clip number.
void count_rows(BatchView& view, const std::vector<int64_t>& speech) {
  size_t segment = 0;
  for (size_t i = 0; i < view.clips.size(); ++i) {
    int64_t rows = 0;
    for (int64_t s = 0; s < view.pass.segments[i]; ++s) rows += view.pass.lengths[segment++];
    const bool all = view.setting.protocol.frames == Frames::all;
    view.clip_rows.push_back(rows);
    view.speech_rows.push_back(all ? rows : speech[view.clips[i]]);
  }
}

// A random direction of unit length for each clip's logits, orthogonal to (1, ..., 1) as the loss's gradient p - y is;
// it does not depend on the batch.
Tensor random_cotangent(const BatchView& view) {
  std::vector<Tensor> directions;
  size_t segment = 0;  // the clip's first one
  for (size_t i = 0; i < view.clips.size(); ++i) {
    const uint64_t key = hash_of(view.setting.seed, hash_of("cotangent"), view.pass.keys[segment]);
    directions.push_back(normal_values({view.logits.size(1)}, key));
    segment += view.pass.segments[i];
  }
  const Tensor drawn = at::stack(directions), stacked = drawn - drawn.mean(1, true);
  return (stacked / stacked.norm(2, {1}, true)).to(view.logits.options());
}

// Error that names the first clip of the batch whose logits are not finite.
void check_finite(const BatchView& view) {
  const Tensor finite = at::isfinite(view.logits).all(1).cpu();
  for (size_t i = 0; i < view.clips.size(); ++i)
    if (!finite.const_data_ptr<bool>()[i])
      fail(
          "{}: the {} model's logits are not finite numbers: the model or its adapter holds numbers that are too large",
          view.setting.clips->clips[view.clips[i]].id, name_of(view.subject.role));
}

}  // namespace

// A batch's pass through one model. The view refers to the pass.
struct ModelPass {
  ModelPass(const Setting& setting, const FoldSubjects& fold, Role role, Part part, std::span<const int64_t> clips,
            const Pass& of_batch)
      : pass(of_batch), view{setting, fold, fold.of(role), part, clips, pass, {}, {}, {}, {}} {}
  ModelPass(const ModelPass&) = delete;

  Pass pass;
  BatchView view;
};

Subject make_subject(Role role, EmotionModel model) {
  Subject subject{role, std::move(model), {}};
  subject.encoder = subject.model.compute_encoder();
  if (subject.model.adapted.encoder_trained)
    visit_tensors(subject.encoder,
                  [](const std::string&, Tensor& tensor, std::vector<int64_t>) { tensor = tensor.detach(); });
  return subject;
}

EmotionModel untrained_like(const EmotionModel& model, const Base& base, uint64_t seed) {
  const bool headless = !model.head.projector.weight.defined();
  const HeadOptions head =
      headless ? HeadOptions() : HeadOptions{model.head.projector.weight.size(0), model.head.layer_weights.defined()};
  EmotionModel fresh = make_model(base, model.options, head, model.classes, hash_of(seed, hash_of("untrained")));
  if (headless) fresh.head = {};
  fresh.input = model.input;
  for (const auto& [place, adapter] : fresh.adapted.adapters.linear)
    adapter->randomise(hash_of(seed, hash_of("untrained"), place.layer, static_cast<uint64_t>(place.module)));
  for (const auto& [site, adapter] : fresh.adapted.adapters.sites())
    adapter->randomise(hash_of(seed, hash_of("untrained-site"), site.layer, static_cast<uint64_t>(site.kind)));
  return fresh;
}

AnalysisRunner::AnalysisRunner(const Setting& setting, std::vector<Analysis*> analyses)
    : setting_(setting), analyses_(std::move(analyses)) {}

bool AnalysisRunner::wanted(Part part, Role role) const {
  if (!setting_.compared && role != Role::adapted) return false;
  for (const Analysis* analysis : analyses_)
    if (analysis->wants(part, role)) return true;
  return false;
}

int64_t AnalysisRunner::clips_in(const FoldSubjects& fold) const {
  int64_t count = 0;
  for (const Part part : all_parts)
    for (const Role role : all_roles)
      if (wanted(part, role)) {
        count += std::ssize(fold.of(part));
        break;
      }
  return count;
}

void AnalysisRunner::run(const FoldSubjects& fold, const Encoder& base, const SourceOptions& options,
                         const std::function<void(int64_t)>& progress) {
  // A fully trained encoder has its own stem, so the models cannot share the stem's output.
  const bool trained_stem =
      std::ranges::any_of(all_roles, [&](Role role) { return fold.of(role).model.adapted.encoder_trained; });
  SourceOptions source_options = options;
  source_options.cache_bytes = 0;  // no cache: each clip is read once per part, for all models together
  ClipSource source(base, setting_.clips->clips, trained_stem ? -1 : 0, source_options);
  {
    const Timed time(Phase::analyses);
    for (Analysis* analysis : analyses_) analysis->begin_fold(fold);
  }
  int64_t done = 0;
  for (const Part part : all_parts) {
    if (!wanted(part, Role::adapted) && !wanted(part, Role::frozen) && !wanted(part, Role::untrained)) continue;
    std::vector<int64_t> order = fold.of(part);
    if (setting_.protocol.shuffled)
      Random(hash_of(setting_.seed, hash_of("order"), static_cast<uint64_t>(part))).shuffle(order);
    const auto batches = cut_into_batches(order, source.positions(), {.positions = positions_in_batch});
    check_memory(fold.adapted.model, source, batches, machine_memory());
    for (size_t b = 0; b < batches.size(); ++b) {
      for (size_t next = b; next < std::min(b + 3, batches.size()); ++next) source.prefetch(batches[next]);
      pass_models(fold, part, batches[b], source);
      clips_passed_ += std::ssize(batches[b]);
      done += std::ssize(batches[b]);
      if (progress) progress(done);
      if (b % 8 == 7) release_free_memory();
    }
    const Timed time(Phase::analyses);
    for (Analysis* analysis : analyses_) analysis->end_part(fold, part);
  }
  const Timed time(Phase::analyses);
  for (Analysis* analysis : analyses_) analysis->end_fold(fold);
  release_free_memory();
}

void AnalysisRunner::pass_models(const FoldSubjects& fold, Part part, const std::vector<int64_t>& clips,
                                 ClipSource& source) {
  const at::NoGradGuard no_grad;
  const bool together =
      std::ranges::any_of(analyses_, [&](const Analysis* analysis) { return analysis->wants_models_together(part); });
  std::vector<std::unique_ptr<ModelPass>> passes;
  ModelViews views;
  Batch batch;
  for (const Role role : all_roles) {
    if (!wanted(part, role)) continue;
    if (!batch.x.defined() || source.trains_stem()) batch = source.batch(clips, &fold.of(role).encoder);
    passes.push_back(std::make_unique<ModelPass>(setting_, fold, role, part, clips, batch.pass));
    count_rows(passes.back()->view, source.speech_positions());
    pass(*passes.back(), batch.x);
    if (together)
      views.add(passes.back()->view);
    else
      passes.pop_back();
  }
  const Timed time(Phase::analyses);
  for (Analysis* analysis : analyses_)
    if (analysis->wants_models_together(part)) analysis->end_models(views);
}

void AnalysisRunner::pass(ModelPass& model_pass, const Tensor& start) {
  Pass& passing = model_pass.pass;
  BatchView& view = model_pass.view;
  const Part part = view.part;
  const Role role = view.subject.role;
  const Wishes wishes = wishes_of(analyses_, view);
  const auto& here = wishes.analyses;
  const bool residuals = wishes.residuals, gradients = wishes.gradients, stream = wishes.stream_gradients;

  SiteReader reader(here, view, residuals, gradients);
  Taps taps;
  taps.observers.push_back(&reader);
  passing.taps = &taps;
  Tensor graph;  // the logits, attached to the autograd graph
  {
    const Timed time(Phase::forward);
    const at::AutoGradMode enabled(gradients);
    const Tensor x = stream ? start.detach().requires_grad_() : start;
    if (setting_.has_head)
      graph = logits_from(view.subject.network(), x, 0, passing);
    else
      head_states(view.subject.network(), x, 0, passing);  // for the sites alone
  }
  passing.taps = nullptr;
  if (setting_.has_head) {
    view.logits = graph.detach();
    check_finite(view);
  }
  {
    const Timed time(Phase::analyses);
    for (Analysis* analysis : here) analysis->end_batch(view);
  }
  if (!gradients || reader.values.empty()) return;

  const auto backward = [&](const Tensor& output, const Tensor& cotangent, bool retain) {
    const Timed time(Phase::backward);
    auto found = torch::autograd::grad({output}, reader.values, {cotangent}, retain, false, /*allow_unused=*/true);
    if (!retain) reader.values.clear();  // frees the graph before the analyses build graphs of their own
    const Timed looking(Phase::analyses);
    for (size_t i = 0; i < found.size(); ++i) {
      const Tensor gradient = std::move(found[i]);
      if (!gradient.defined()) continue;
      for (Analysis* analysis : here)
        if (analysis->wants_gradient(part, role, reader.sites[i]) &&
            (!view.random_cotangent || analysis->wants_random_cotangent(part, role)))
          analysis->see_gradient(view, reader.sites[i], gradient);
    }
    for (Analysis* analysis : here)
      if (!view.random_cotangent || analysis->wants_random_cotangent(part, role)) analysis->end_gradients(view);
  };
  Tensor loss;
  {
    const at::AutoGradMode enabled(true);
    loss = view.loss_of(graph);
  }
  backward(loss, Tensor(), wishes.random_cotangent);
  if (!wishes.random_cotangent) return;
  view.random_cotangent = true;
  backward(graph, random_cotangent(view), false);
}

}  // namespace loralens
