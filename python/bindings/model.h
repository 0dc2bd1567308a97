// SPDX-License-Identifier: Apache-2.0
// The models of a run, of one of its folds or of a PEFT folder, loaded for predictions and forward passes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "inference/forward_files.h"
#include "study/compute_choice.h"
#include "study/open_run.h"

namespace loralens {

class OpenedModel {
 public:
  // Errors of open_run().
  OpenedModel(const RunRequest& request, const ComputeChoice& choice);

  const OpenedRun& run() const { return run_; }
  // The lines that `loralens predict` prints for these files (docs/formats.md). each(): called after every file; an
  // exception that it throws ends the prediction.
  std::vector<std::string> predict(std::vector<std::string> files, const std::function<void()>& each) const;

  // The forward pass of the files through the model, or through the frozen encoder with the model's head. sites: names
  // (site_names.h). Error if there are several models, and errors of forward_files().
  using Patch = std::function<at::Tensor(const at::Tensor& value, int64_t file)>;
  ForwardResult forward(std::vector<std::string> files, const std::vector<std::string>& sites, bool adapters,
                        const std::vector<std::pair<std::string, Patch>>& patches) const;

  // Names of the sites that a forward pass with adapters visits.
  std::vector<std::string> sites() const;

 private:
  const EmotionModel& only_model() const;

  OpenedRun run_;
  int threads_;
};

}  // namespace loralens
