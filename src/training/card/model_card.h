// SPDX-License-Identifier: Apache-2.0
// Model cards: the README.md of a model's folder, as the Hugging Face hub reads it (YAML header, Markdown).
#pragma once

#include <span>

#include "results/results.h"
#include "training/run.h"

namespace loralens {

// Writes README.md into the folders of all models of a finished run: what the model is, its scores, its input, and how
// to load it. predictions: of all folds and seeds; metrics: of the run (metrics.json).
void write_model_cards(const Path& run, const Base& base, const Clips& clips, const std::vector<Fold>& folds,
                       const RunOptions& options, std::span<const Prediction> predictions,
                       const nlohmann::json& metrics);

}  // namespace loralens
