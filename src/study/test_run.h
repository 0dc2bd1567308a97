// SPDX-License-Identifier: Apache-2.0
// For tests: a small trained run on disk, with its base model, its corpus and two folds.
#pragma once

#include <string>
#include <vector>

#include "classifier/test_model.h"
#include "corpus/audit/recordings.h"
#include "corpus/folds/folds.h"
#include "inference/test_clips.h"
#include "study/open_run.h"
#include "training/inputs.h"
#include "whisper/test_whisper.h"

namespace loralens {

// Below path(): whisper/ (the base), clips.csv with twelve tone clips of four speakers, and the runs that write()
// makes. Clips 0, 1, 8 and 9 (speaker s0) are the test part of fold 0, clips 2, 3, 10 and 11 (s1) that of fold 1. Clips
// 4 and 5 (s2) are the development part of both folds.
class TestRuns {
 public:
  TestRuns() : corpus_(tone_corpus(folder_, 12)), base_(write_whisper(path() / "whisper")) {
    write_clips(path() / "clips.csv", corpus_);
  }

  const Path& path() const { return folder_.path(); }
  const Clips& corpus() const { return corpus_; }
  const TestFolder& folder() const { return folder_; }
  std::string table() const { return (path() / "clips.csv").string(); }

  static std::vector<Fold> folds() {
    return {{{2, 3, 6, 7, 10, 11}, {4, 5}, {0, 1, 8, 9}}, {{0, 1, 6, 7, 8, 9}, {4, 5}, {2, 3, 10, 11}}};
  }

  EmotionModel model(uint64_t seed, const AdapterOptions& options = tiny_adapter("lora"),
                     const std::vector<std::string>& classes = {"high", "low"}) const {
    EmotionModel made = make_model(base(), options, {8, false}, classes, seed);
    for (const Parameter& p : made.parameters())
      p.tensor.detach().add_(random_tensor(p.tensor.sizes().vec(), hash_of(seed, hash_of(p.name)), 0.2));
    return made;
  }

  // Writes the run `name` with a model for each of `folds`, and returns its folder.
  Path write(const std::string& name, const std::vector<EmotionModel>& models,
             const std::vector<Fold>& folds = TestRuns::folds(), uint64_t seed = 42) const {
    const Path run = path() / name;
    for (size_t f = 0; f < models.size(); ++f) write_model(run / fmt::format("fold-{:02}", f), models[f]);
    write_folds(run / "folds.csv", corpus_, folds);
    write_file(run / "config.toml", fmt::format("corpus = [\"{}\"]\nseed = {}\n", table(), seed));
    write_file(run / "recordings.csv", format_recordings(corpus_, examine(corpus_, 1, [](int64_t) {})));
    return run;
  }
  // The run of two folds with LoRA.
  Path write(const std::string& name, uint64_t seed = 42) const {
    return write(name, {model(seed), model(seed + 1)}, folds(), seed);
  }

  static void write_model(const Path& folder, const EmotionModel& model) {
    std::filesystem::create_directories(folder);
    save_model(folder, model);
  }

  OpenedRun open(const Path& run) const { return open_run({.run = run}, {}); }

 private:
  Base base() const { return load_base(base_, base_.string(), {}, c10::kCPU); }

  TestFolder folder_;
  Clips corpus_;
  Path base_;
};

}  // namespace loralens
