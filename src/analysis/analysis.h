// SPDX-License-Identifier: Apache-2.0
// What an analysis is to the runner: it says which passes and sites it needs, looks at each batch, and tells at the end
// what it found. A new analysis is one file with its test and one line in registry.cc.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/findings.h"
#include "base/files.h"
#include "classifier/model.h"
#include "corpus/clips.h"
#include "whisper/sites.h"

namespace loralens {

enum class Role { adapted, frozen, untrained };
// "adapted", "frozen", "untrained"
std::string_view name_of(Role role);

// Which clips a pass is over, for each fold in this order.
enum class Part {
  fit,  // strict: training clips that means, maps and classifiers may be fitted on, at most Setting::fit_clips
  development,  // strict: the fold's development part (at most as many), to choose what was fitted; may be empty
  test,  // strict: the fold's test clips. paper: those of fold 1 (or the given list)
  sample,  // paper only: ten training clips a class, for gradients, spectra, CKA and t-SNE (or the given list)
};

// What all analyses know.
struct Setting {
  bool paper = false;
  uint64_t seed = 42;
  const Clips* clips = nullptr;  // the table
  std::vector<std::string> classes;
  std::vector<int64_t> labels;  // class number of each clip of the table
  int64_t layers = 0, width = 0;  // N, D
  int64_t folds = 1;  // that will be analysed: all folds of the first run, of the second, ...
  int64_t runs = 1;  // that were trained on the same folds, with other seeds
  // Linear layers that the adapted model has a LinearAdapter on, ascending.
  std::vector<std::pair<int64_t, Module>> adapted;
  int64_t fit_clips = 128;
  int64_t erasure_clips = 50;  // paper: so many of the test clips, drawn with the seed, for erasure
  std::vector<Path> model_folders;  // where each fold's model was read from

  int64_t folds_of_a_run() const { return folds / runs; }
  // What the intervals resample: the clip's speaker, or the clip itself where the speaker is unknown.
  std::string group_of(int64_t clip) const;
};

// One model of a fold. Equal base weights are the same tensors in all of them.
struct Subject {
  Role role = Role::adapted;
  EmotionModel model;
  Encoder encoder;  // in the precision of the passes
};

struct FoldSubjects {
  int64_t fold = 0;
  Subject adapted{.role = Role::adapted}, frozen{.role = Role::frozen}, untrained{.role = Role::untrained};
  std::vector<int64_t> fit, development, test, sample;  // clip numbers, in the order of the passes

  const Subject& of(Role role) const;
  const std::vector<int64_t>& of(Part part) const;
};

// One batch on its way through one model.
struct BatchView {
  const Setting& setting;
  const FoldSubjects& fold;
  const Subject& subject;
  Part part;
  std::span<const int64_t> clips;  // B clip numbers
  const Pass& pass;
  std::vector<int64_t> clip_rows;  // rows of each clip (all its segments)
  std::vector<int64_t>
      speech_rows;  // strict: how many of these, from the first, are the clip's own frames, without tail
  // and padding; paper: all
  // After the forward pass (in end_batch):
  at::Tensor logits;  // B×C
  std::vector<at::Tensor> residuals;  // ΣT×D each, N+1: the input of layers 0..N-1, the last one's output; if wanted
  // During a gradient pass: whether the loss's gradient flows, or a random cotangent at the logits (unit normal a
  // clip).
  bool random_cotangent = false;

  // The clips' own frames (speech_rows) of x (ΣT×any), one tensor a clip.
  std::vector<at::Tensor> speech_of(const at::Tensor& x) const;
  // Sum over the batch's clips of the cross-entropy of these logits (B×C), nats: each clip's gradient is that of a
  // batch of one. Differentiable where gradients are on.
  at::Tensor loss_of(const at::Tensor& logits) const;
  // Logits (B×C) if the residual stream that enters `layer` (N: the final norm) were x.
  at::Tensor logits_from(int64_t layer, const at::Tensor& x, std::vector<Intervention*> interventions = {}) const;
};

// Runs without gradients except where gradients are asked for. Tensors seen are in the precision of the pass.
class Analysis {
 public:
  virtual ~Analysis() = default;

  // Whether it needs passes of this model over this part; and which sites it wants to see there.
  virtual bool wants(Part part, Role role) const = 0;
  virtual bool wants(Part part, Role role, const Site& site) const { return false; }
  virtual bool wants_residuals(Part part, Role role) const { return false; }
  // Sites whose gradient it wants, of the sum over clips of the cross-entropy, so that each clip's is that of a batch
  // of one. Only residual_in, residual_out, adapter_down and adapter_up; below the first adapter only residuals have
  // one.
  virtual bool wants_gradient(Part part, Role role, const Site& site) const { return false; }
  virtual bool wants_random_cotangent(Part part, Role role) const { return false; }

  virtual void begin_fold(const FoldSubjects& fold) {}
  virtual void see(const BatchView& view, const Site& site, const at::Tensor& value) {}
  virtual void end_batch(const BatchView& view) {}  // after the forward pass, before gradients
  // In order: for the loss, all sites; then, if wanted, for the random cotangent, all sites.
  virtual void see_gradient(const BatchView& view, const Site& site, const at::Tensor& gradient) {}
  virtual void end_gradients(const BatchView& view) {}
  virtual void end_part(const FoldSubjects& fold, Part part) {}  // all models have passed over it
  virtual void end_fold(const FoldSubjects& fold) {}

  virtual Findings finish() = 0;
};

struct AnalysisEntry {
  std::string_view name;  // "logit-lens"
  std::string_view summary;  // one line for --help
  std::unique_ptr<Analysis> (*make)(const Setting&);
  // Whether it is of the clips of --gradient-clips; the published code draws ten training clips a class for it.
  bool gradient_clips = false;
  // Whether it adds up matrices of A and B over folds and runs: all must have the same rank.
  bool equal_factors = false;
};

// All analyses, in the order of the report.
std::span<const AnalysisEntry> analyses();

}  // namespace loralens
