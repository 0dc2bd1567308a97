// What an analysis is of: the models of a run, what they are compared with, the corpus and its folds.
#pragma once

#include <CLI/CLI.hpp>

#include <optional>
#include <string>
#include <vector>

#include "classifier/model.h"
#include "cli/machine.h"
#include "corpus/folds.h"

namespace loralens {

struct AnalyzeArguments {
  std::vector<std::string> runs, corpora;
  std::string against, labels, model, classes, only, protocol = "strict", clips, gradient_clips, untrained, out;
  uint64_t seed = 42;
  InputOptions input;
  MachineOptions machine;
  bool force = false;
};

// What is read from disk: the run, whom it is compared with, the corpus and its folds.
struct Material {
  Path run;  // the first run's folder with config.toml and folds.csv, which may be above the model's own
  std::vector<Path> folders;  // a model's each: the first run's folds, the second's, ...
  Base base;
  std::vector<EmotionModel> adapted, frozen;
  std::optional<EmotionModel> untrained;
  Clips clips;
  std::vector<int64_t> labels;
  std::vector<Fold> folds;  // of each model
  size_t folds_of_a_run = 0;
};

// Reads it all. command: that of `a`, for flags that say otherwise than a run does.
// Error unless the further runs repeat the first one on its folds, and the models that are compared have its classes, input
// and folds.
Material load_material(const CLI::App& command, const AnalyzeArguments& a);

// Whether the adapters of all models have matrices of the same shapes, place by place; else where two differ.
std::string factor_difference(const Material& m);

}  // namespace loralens
