// SPDX-License-Identifier: Apache-2.0
// Opens a trained run: loads its models and their base encoder.
#pragma once

#include <c10/core/Device.h>

#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "classifier/int8_base.h"
#include "classifier/model.h"

namespace loralens {

// Device, precision and threads of a computation.
struct Compute {
  c10::Device device = c10::Device(c10::kCPU);
  Precision precision;
  int threads = 1;  // for decoding audio
};

// Loads a base encoder. model: its name, folder or Hugging Face id.
Base open_base(const std::string& model, const Compute& compute);
// The same with the weights of the linear layers in int8.
Base open_int8_base(const std::string& model, const Compute& compute, Int8Weights weights);

// The same for the saved model or adapter in `folder`: its weights are rounded as in its training.
Base open_base_of(const Path& folder, const std::string& model, const Compute& compute);

struct RunRequest {
  Path run;  // a run, one of its folds, final/, a bare PEFT folder or a classifier of transformers
  std::string model;  // the base encoder; empty: the one that the run names
  std::vector<std::string> classes;  // class names; empty: the run's own names
  InputOptions bare_input;  // input options for a folder that another program saved, which does not record them
  HeadUse head = HeadUse::needed;  // whether an adapter without an emotion head is opened
  bool folds = true;  // true: the models of the folds; false: the final model of each training, if there is one
};

struct OpenedRun {
  Base base;
  std::vector<EmotionModel> models;  // one for each training and fold (model_folders), or only the final models
  std::vector<Path> folders;  // folder of each model
  // Whether the run is a classifier of transformers, which names no base model, and its own encoder serves as the base.
  bool base_unknown = false;
};

// Error if the run names no base model (and is no classifier whose own encoder serves), if its models do not belong to
// one run (check_alike), or if the final model is needed and missing although the run was trained with --final.
// UsageError if `classes` repeats a name or does not have one name for each class.
OpenedRun open_run(const RunRequest& request, const Compute& compute);

// The run's folder for a run, for one of its model folders (fold-00, final, seed-43/fold-00), also if the run has lost
// folds.csv, or for the folder of a training (seed-43); else the folder itself, such as a model copied into a run.
Path run_of(const Path& folder);

// The random seed with which a run's model (fold-00, final) was trained: the one in the name of its training's folder,
// else the one in the run's config.toml; nullopt if both are missing. Error for a seed that is no whole number.
std::optional<uint64_t> seed_of_model(const Path& folder);

// The values of a flag (such as "corpus") in a run's config.toml, as text; empty if the flag or the file is missing.
std::vector<std::string> recorded_flag(const Path& run, const std::string& flag);
// The same for a flag of one value; "" if config.toml has none. Error for a list of several.
std::string recorded_value(const Path& run, const std::string& flag);

}  // namespace loralens
