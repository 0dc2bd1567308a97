// Which modules of the encoder are adapted, and how: PEFT's names and rules.
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
  std::string method = "lora";  // a name of method.h's registry

  // target_modules: a module is chosen if its name ("encoder.layers.3.self_attn.v_proj") equals one of these or ends
  // in "." and one of these; target_pattern, when not empty: a regular expression that must match the whole name.
  std::vector<std::string> targets = {"v_proj"};
  std::string target_pattern;
  std::vector<std::string> excluded;  // exclude_modules, matched as targets are
  std::vector<int64_t> layers;        // layers_to_transform; empty: all

  int64_t rank = 32;    // R
  double alpha = 64;    // the update is scaled by alpha / rank
  bool rslora = false;  // ... by alpha / sqrt(rank) (Kalajdzievski, 2023)
  double dropout = 0.1;  // of the adapter's input, in training
  std::map<std::string, int64_t> rank_pattern;  // regular expression at the end of a module's name -> its own rank
  std::map<std::string, double> alpha_pattern;
};

// "encoder.layers.3.self_attn.v_proj", "encoder.layers.3.fc1"
std::string module_path(int64_t layer, Module module);

// The adapter's own numbers at one place.
struct Attachment {
  int64_t layer;
  Module module;
  int64_t rank;
  double scale;  // alpha / rank or alpha / sqrt(rank)
};

// Where the options attach adapters in an encoder of this config, by layer and module. Error if nowhere, if a layer
// does not exist, if a number is out of its range, or if a pattern is none or takes too long (base/pattern.h).
std::vector<Attachment> attachments(const WhisperConfig& config, const AdapterOptions& options);

// A key of rank_pattern or alpha_pattern that the name of no adapted module matches; empty if each matches one. Errors as
// those of attachments.
std::string unused_pattern(const WhisperConfig& config, const AdapterOptions& options);

}  // namespace loralens
