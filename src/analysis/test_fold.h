// SPDX-License-Identifier: Apache-2.0
// For tests: one fold of a tiny model with clips of tones, for use with the runner; and one clip's values at all sites
// of a model, for naive references.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/stack.h>

#include <map>

#include "analysis/analyses.h"
#include "analysis/curves.h"
#include "analysis/runner.h"
#include "classifier/test_model.h"
#include "inference/test_clips.h"

namespace loralens {

// In float64. 20 clips of three classes and five speakers: 12 for fitting, 8 for testing.
class TestFold {
 public:
  explicit TestFold(const TestFolder& folder, bool weighted_layer_sum = false) : clips_(tone_corpus(folder, 20)) {
    const EmotionModel model = tiny_model(base_, tiny_adapter("lora"), weighted_layer_sum);
    EmotionModel frozen = model;
    frozen.adapted.adapters.clear();
    subjects.adapted = make_subject(Role::adapted, model);
    subjects.frozen = make_subject(Role::frozen, frozen);
    subjects.untrained = make_subject(Role::untrained, model);
    setting.clips = &clips_;
    setting.model_folders = {"run/fold-00"};
    setting.base = &base_.encoder;
    setting.classes = model.classes;
    setting.layers = base_.encoder.config.layers;
    setting.width = base_.encoder.config.width;
    for (const auto& [place, adapter] : model.adapted.adapters.linear) setting.adapted.push_back(place);
    for (int64_t i = 0; i < 20; ++i) {
      clips_.clips[i].speaker = fmt::format("s{}", i % 5);
      setting.labels.push_back(i % 3);
      (i < 12 ? subjects.fit : subjects.test).push_back(i);
    }
  }

  TestFold(const TestFold&) = delete;

  // Runs an analysis on this fold.
  Findings find(std::unique_ptr<Analysis> analysis) const {
    AnalysisRunner(setting, {analysis.get()}).run(subjects, base_.encoder, options());
    return analysis->finish();
  }

  // One clip alone, and its values at the sites of a model.
  struct Seen {
    at::Tensor x;  // T×D, the embedding
    Pass pass;
    int64_t speech = 0;  // number of the clip's own positions, without tail
    std::map<Site, at::Tensor> sites;
    at::Tensor logits;  // C
  };
  Seen see(const Subject& subject, int64_t clip, std::vector<Intervention*> interventions = {}) const {
    struct Recorder : Observer {
      std::map<Site, at::Tensor> sites;
      bool wants(const Site& site) const override { return site.kind != SiteKind::pattern; }
      void see(const Pass&, const Site& site, const at::Tensor& value, int64_t) override { sites[site] = value; }
    };
    const at::NoGradGuard no_grad;
    Recorder recorder;
    Taps taps;
    taps.observers.push_back(&recorder);
    taps.interventions = std::move(interventions);
    Seen seen = start(clip);
    if (setting.protocol.frames == Frames::all) seen.speech = seen.pass.rows();
    Pass pass = seen.pass;
    pass.taps = &taps;
    seen.logits = logits_from(subject.network(), seen.x, 0, pass)[0];
    seen.sites = std::move(recorder.sites);
    return seen;
  }

  // Moves the bias of the model's head so that each logit has mean 0 over the clips, and returns the answers to all
  // clips, so that none of the classes is always the answer.
  std::vector<int64_t> centre_answers(Subject& subject) const {
    std::vector<at::Tensor> logits;
    for (int64_t number = 0; number < std::ssize(clips_.clips); ++number) logits.push_back(see(subject, number).logits);
    const at::Tensor mean = at::stack(logits).mean(0);
    subject.model.head.classifier.bias = subject.model.head.classifier.bias - mean;
    std::vector<int64_t> answers;
    for (const at::Tensor& of_clip : logits) answers.push_back((of_clip - mean).argmax().item<int64_t>());
    return answers;
  }

  const Clip& clip(int64_t number) const { return clips_.clips[number]; }
  int64_t label(int64_t number) const { return setting.labels[number]; }

  Setting setting;
  FoldSubjects subjects;

 private:
  static SourceOptions options() {
    SourceOptions options;
    options.input.tail = 0.1;
    return options;
  }

  // The clip's input to a model, computed once.
  const Seen& start(int64_t clip) const {
    Seen& start = starts_[clip];
    if (start.x.defined()) return start;
    ClipSource source(base_.encoder, clips_.clips, 0, options());
    Batch batch = source.batch({{clip}});
    start.x = batch.x;
    start.pass = batch.pass;
    start.speech = source.speech_positions()[clip];
    return start;
  }

  Clips clips_;
  mutable std::map<int64_t, Seen> starts_;
  Base base_ = tiny_base(in_double);
};

// Adds a value to that at one site, in a whole pass.
struct Added : Intervention {
  Site site;
  at::Tensor value;
  Added(const Site& site, at::Tensor value) : site(site), value(std::move(value)) {}
  bool wants(const Site& seen) const override { return seen == site; }
  at::Tensor replace(const Pass&, const Site&, const at::Tensor& seen, int64_t) override { return seen + value; }
};

// Value of a row that must be there.
inline double value_of(const Findings& findings, const RowKey& key) {
  const Row* row = find_row(findings.rows, key);
  EXPECT_NE(row, nullptr) << key.model << " " << key.variant << " " << key.layer.value_or(-9) << " " << key.component
                          << " " << key.metric << " " << key.class_name;
  return row ? row->value : NAN;
}

}  // namespace loralens
