// SPDX-License-Identifier: Apache-2.0
// Interface of analyses to the runner: an analysis declares which forward passes and sites it needs, receives each
// batch and returns its findings at the end. CONTRIBUTING.md lists the files of a new analysis.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/findings.h"
#include "base/files.h"
#include "classifier/forward.h"
#include "classifier/model.h"
#include "corpus/clips.h"
#include "results/protocol.h"
#include "whisper/sites.h"

namespace loralens {

enum class Role { adapted, frozen, untrained };
inline constexpr Role all_roles[] = {Role::adapted, Role::frozen, Role::untrained};
// "adapted", "frozen", "untrained"
std::string_view name_of(Role role);

// Sets of clips that pass through the models, for each fold.
enum class Part {
  fit,  // TrainingClips::fit: at most Setting::fit_clips training clips, to fit means, maps and classifiers on
  test,  // the fold's test clips, or those of the given list
  sample,  // TrainingClips::sample: ten training clips a class for gradients, spectra, CKA, t-SNE (or the given list)
  reference,  // the clips of --reference-clips, which have no label; the same for all folds
};
// In the order in which they pass.
inline constexpr Part all_parts[] = {Part::fit, Part::reference, Part::test, Part::sample};

// Configuration and clip table shared by all analyses.
struct Setting {
  Protocol protocol = strict_protocol;
  uint64_t seed = 42;
  const Clips* clips = nullptr;  // the corpus table
  std::vector<std::string> classes;
  std::vector<int64_t> labels;  // class number of each clip of the table
  int64_t layers = 0, width = 0;  // N, D
  bool has_head = true;  // false: the models have no head, so there are no logits and no gradients of the loss
  bool compared = true;  // false: there are only adapted models, since the base that they were trained from is unknown
  int64_t folds = 1;  // models to analyse: all folds of the first run, then of the second, ...
  int64_t runs = 1;  // runs trained on the same folds with different seeds
  // Linear layers that the adapted model has a LinearAdapter on, ascending.
  std::vector<Place> adapted;
  std::vector<Site> adapted_sites;  // sites that the adapted model has a SiteAdapter at, ascending
  int64_t fit_clips = 128;  // maximum number of clips of Part::fit
  int64_t erasure_clips = 50;  // number of test clips for erasure as published, drawn with the seed
  std::vector<Path> model_folders;  // folder of each fold's model
  const Encoder* base = nullptr;  // the encoder that was adapted, in the precision of the passes
  std::span<const EmotionModel> models;  // the adapted model of each fold

  int64_t folds_of_a_run() const { return folds / runs; }
  // The folder of a fold's model, for notes.
  std::string folder_of(int64_t fold) const { return model_folders.at(fold).string(); }
  // The clip's group for resampling in confidence intervals: its speaker, or the clip itself if the speaker is unknown.
  std::string group_of(int64_t clip) const;
  // A note for analyses of A, B and ΔW, which adapters at sites do not have; "" if the model has no adapter at a site.
  std::string note_on_site_adapters() const;
};

// One model of a fold. The models of a fold share the tensors of equal base weights.
struct Subject {
  Role role = Role::adapted;
  EmotionModel model;
  Encoder encoder;  // in the precision of the forward passes

  Network network() const { return network_of(model, encoder); }
};

struct FoldSubjects {
  int64_t fold = 0;
  Subject adapted{.role = Role::adapted}, frozen{.role = Role::frozen}, untrained{.role = Role::untrained};
  std::vector<int64_t> fit, test, sample, reference;  // clip numbers

  const Subject& of(Role role) const;
  const std::vector<int64_t>& of(Part part) const;
};

// One batch in a forward or backward pass of one model.
struct BatchView {
  const Setting& setting;
  const FoldSubjects& fold;
  const Subject& subject;
  Part part;
  std::span<const int64_t> clips;  // B clip numbers
  const Pass& pass;
  std::vector<int64_t> clip_rows;  // number of rows of each clip, over all its segments
  // Number of leading rows of each clip that Protocol::frames selects.
  std::vector<int64_t> speech_rows;
  // After the forward pass (in end_batch):
  at::Tensor logits;  // B×C; undefined without a head
  // N+1 of ΣT×D: the input of layers 0..N-1, then the last layer's output; empty if not wanted
  std::vector<at::Tensor> residuals;
  // In a backward pass: false for the gradient of the loss, true for a random cotangent at the logits (a random unit
  // vector per clip whose elements sum to 0).
  bool random_cotangent = false;

  std::vector<int64_t> labels() const;  // B class numbers
  // The speech rows of x (ΣT×any), one tensor per clip.
  std::vector<at::Tensor> speech_of(const at::Tensor& x) const;
  // Cross-entropy of these logits (B×C) in nats, summed over the batch's clips. Being a sum, it gives each clip the
  // same gradient as a batch of this clip alone. Differentiable if gradients are enabled.
  at::Tensor loss_of(const at::Tensor& logits) const;
  // Logits (B×C) of a forward pass that starts with residual stream x at the input of `layer` (N: of the final norm).
  at::Tensor logits_from(int64_t layer, const at::Tensor& x, std::vector<Intervention*> interventions = {}) const;
  // The logits of such a pass under each of these heads in place of the model's own. The layers run once.
  std::vector<at::Tensor> logits_under(std::span<const Head* const> heads, int64_t layer, const at::Tensor& x,
                                       std::vector<Intervention*> interventions = {}) const;
  // Adds a clip's part of `values` (B×...) for the report's explorer, for each clip. It shows a clip once, so those of
  // further runs are left out.
  void tell(const std::string& name, const at::Tensor& values, std::vector<ClipFinding>& told) const;
  // The values at these sites inside one layer, in their order: runs this layer again from its residual stream. Only if
  // residuals are kept.
  std::vector<at::Tensor> values_at(int64_t layer, std::span<const SiteKind> kinds) const;
  at::Tensor value_at(const Site& site) const { return values_at(site.layer, {&site.kind, 1}).front(); }
};

// One batch after it has passed through several models. Each view keeps its logits and, if wanted, its residuals. For a
// model that is (N+1)·ΣT·D values, and nothing else is in memory; values at other sites are computed again (value_at).
class ModelViews {
 public:
  void add(const BatchView& view) { views_[view.subject.role] = &view; }
  // Error if the batch did not pass through this model.
  const BatchView& of(Role role) const;

 private:
  std::map<Role, const BatchView*> views_;
};

// One analysis. The runner computes gradients only for sites of wants_gradient(). Tensors have the precision of the
// pass.
class Analysis {
 public:
  virtual ~Analysis() = default;

  // Whether the analysis needs forward passes of this model over this part; whether see() shall receive this site.
  virtual bool wants(Part part, Role role) const = 0;
  virtual bool wants(Part part, Role role, const Site& site) const { return false; }
  virtual bool wants_residuals(Part part, Role role) const { return false; }
  // Whether see_gradient() shall receive this site's gradient of BatchView::loss_of(), the sum over clips. Supported
  // sites: residual_in, residual_out, adapter_down and adapter_up; layers below the first adapter have residuals only.
  virtual bool wants_gradient(Part part, Role role, const Site& site) const { return false; }
  virtual bool wants_random_cotangent(Part part, Role role) const { return false; }

  virtual void begin_fold(const FoldSubjects& fold) {}
  virtual void see(const BatchView& view, const Site& site, const at::Tensor& value) {}
  virtual void end_batch(const BatchView& view) {}  // after the forward pass, before gradients
  // Whether end_models() shall receive each batch of this part, once it has passed through all wanted models.
  virtual bool wants_models_together(Part part) const { return false; }
  virtual void end_models(const ModelViews& views) {}
  // Called for all sites with the gradient of the loss; then, if wanted, for all sites with that of the random
  // cotangent.
  virtual void see_gradient(const BatchView& view, const Site& site, const at::Tensor& gradient) {}
  virtual void end_gradients(const BatchView& view) {}
  virtual void end_part(const FoldSubjects& fold, Part part) {}  // after the passes of all models over this part
  virtual void end_fold(const FoldSubjects& fold) {}

  virtual Findings finish() = 0;
};

// The chapters of the report.
enum class Chapter {
  causes,  // parts of the adaptation switched off, exchanged or edited
  decision,  // what the head reads in each layer, and what each layer adds
  states,  // what the hidden states hold
  adapters,  // the updates, their factors and their gradients
};
// "causes", "decision", "states", "adapters"
std::string_view name_of(Chapter chapter);

struct AnalysisEntry {
  std::string_view name;  // "logit-lens"
  std::string_view summary;  // one line for --help
  std::unique_ptr<Analysis> (*make)(const Setting&);
  Chapter chapter = Chapter::states;
  // Whether the analysis uses the clips of --gradient-clips. For such an analysis the published code draws ten training
  // clips per class.
  bool gradient_clips = false;
  // Whether the analysis averages singular values of A and B over folds and runs, so that all must have the same rank.
  bool equal_factors = false;
  // Whether all that it measures needs the emotion head. Other analyses leave out gradients of the loss without a head.
  bool needs_head = false;
  // Whether all that it measures compares the adapted model with the frozen one.
  bool needs_frozen = false;
  // Whether the analysis is made only if --only names it, because it takes much longer than the others.
  bool by_name = false;
  // Whether the paper has such an analysis. `--protocol paper` runs the others only if --only names them.
  bool in_paper = true;
};

// All analyses, in the order of the report.
std::span<const AnalysisEntry> analyses();

}  // namespace loralens
