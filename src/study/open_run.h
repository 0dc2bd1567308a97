// Opening what a training left: its models and their base encoder.
#pragma once

#include <c10/core/Device.h>

#include <string>
#include <vector>

#include "base/files.h"
#include "classifier/model.h"

namespace loralens {

// Where and how precisely to compute.
struct Compute {
  c10::Device device = c10::Device(c10::kCPU);
  Precision precision;
  int threads = 1;  // that decode audio
};

// The base encoder of a model's name, folder or Hugging Face id, ready to compute.
Base open_base(const std::string& model, const Compute& compute);

struct RunRequest {
  Path run;                          // a run, one of its folds, final/ or a bare PEFT folder
  std::string model;  // the base encoder, instead of the one that the run names; needed where it names none
  std::vector<std::string> classes;  // names of the classes, instead of the run's own; empty: those
  InputOptions bare_input;  // the input of a bare PEFT folder, which does not say
  bool folds = true;  // the models of the folds, even where there is a final one
};

struct OpenedRun {
  Base base;
  std::vector<EmotionModel> models;  // of each fold, or final/ alone
  std::vector<Path> folders;  // where each was read from
};

// Error unless all models are of one run (check_alike), and for a run that was trained with --final and has lost it.
// UsageError for classes that are not as many as the run's, or not distinct.
OpenedRun open_run(const RunRequest& request, const Compute& compute);

// The folder of the run that a folder is or, as one of its folds, lies in; else the folder itself.
Path run_of(const Path& folder);

// What a run's config.toml holds for a flag ("corpus"), each value as text; empty if it holds nothing, or there is no such file.
std::vector<std::string> recorded_flag(const Path& run, const std::string& flag);

}  // namespace loralens
