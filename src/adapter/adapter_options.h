// SPDX-License-Identifier: Apache-2.0
// Options of adapters: target modules, rank, alpha, dropout. Names and matching rules are those of PEFT's LoraConfig.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/range.h"
#include "whisper/encoder.h"

namespace loralens {

inline constexpr Range<int64_t> ranks{1, 4096};
inline constexpr Range<double> alphas{0, 1e6, Ends::high};
inline constexpr Range<double> dropouts{0, 1, Ends::low};

struct AdapterOptions {
  std::string method = "lora";  // one of methods() (method.h)

  // target_modules: a module is chosen if its name ("encoder.layers.3.self_attn.v_proj") equals one of these or ends
  // in "." and one of these; target_pattern, when not empty: a regular expression that must match the whole name.
  std::vector<std::string> targets = {"v_proj"};
  std::string target_pattern;
  std::vector<std::string> excluded;  // exclude_modules; matched like targets
  std::vector<int64_t> layers;        // layers_to_transform; empty: all

  int64_t rank = 32;    // R
  double alpha = 64;    // the update is scaled by alpha / rank
  bool rslora = false;  // ... by alpha / sqrt(rank) (Kalajdzievski, 2023)
  double dropout = 0.1;  // on the adapter's input, in training only
  std::map<std::string, int64_t> rank_pattern;  // regular expression for the end of a module name -> its rank
  std::map<std::string, double> alpha_pattern;  // the same for alpha
};

// "encoder.layers.3.self_attn.v_proj", "encoder.layers.3.fc1"
std::string module_path(int64_t layer, Module module);

// An adapter on one linear layer: where it is attached, with which rank and scale.
struct Attachment {
  int64_t layer;
  Module module;
  int64_t rank;
  double scale;  // alpha / rank or alpha / sqrt(rank)
};

// The linear layers that get an adapter, ordered by layer and module. Error if no module matches, if a layer does not
// exist, if a number is out of range, or if a regular expression is invalid or takes too long (base/pattern.h).
std::vector<Attachment> attachments(const WhisperConfig& config, const AdapterOptions& options);

// The first key of rank_pattern or alpha_pattern that matches no adapted module; empty if every key matches one.
// Same errors as attachments().
std::string unused_pattern(const WhisperConfig& config, const AdapterOptions& options);

}  // namespace loralens
