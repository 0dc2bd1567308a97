// SPDX-License-Identifier: Apache-2.0
#include "training/presets.h"

#include "base/error.h"

namespace loralens {
namespace {

using Flags = std::map<std::string, std::string>;

struct Preset {
  std::string summary;
  Flags flags;
};

// Flags of some methods that replace those of every preset: the presets' targets, layers and ranks are meant for
// low-rank updates. Each rank of VeRA adds only one trained scale per module, so its rank can be larger; 256 is PEFT's
// default.
const std::map<std::string, Flags>& flags_of_methods() {
  static const std::map<std::string, Flags> all = {
      {"vera", {{"rank", "256"}}},
      {"ia3", {{"targets", "k_proj,v_proj,fc2"}}},
      {"full", {{"layers", "all"}}},
  };
  return all;
}

const std::map<std::string, Preset>& presets() {
  static const std::map<std::string, Preset> all = {
      {"small",
       {.summary = "for corpora of a few hundred clips",
        .flags = {{"targets", "q_proj,k_proj,v_proj,out_proj,fc1,fc2"},
                  {"layers", "upper"},
                  {"rank", "16"},
                  {"alpha", "32"},
                  {"dropout", "0"},
                  {"position-dropout", "0.5"},
                  {"average", "0.98"},
                  {"epochs", "10"},
                  {"head-epochs", "30"},
                  {"learning-rate", "0.001"},
                  {"head-learning-rate", "0.001"},
                  {"schedule", "cosine"},
                  {"warmup", "0.1"},
                  {"clip-norm", "1"}}}},
      {"paper",
       {.summary = "arXiv 2509.08454",
        .flags = {{"targets", "v_proj"},
                  {"layers", "all"},
                  {"rank", "32"},
                  {"alpha", "64"},
                  {"dropout", "0.1"},
                  {"epochs", "20"},
                  {"head-epochs", "0"},
                  {"learning-rate", "5e-05"},
                  {"head-learning-rate", "5e-05"},
                  {"position-dropout", "0"},
                  {"average", "0"},
                  {"schedule", "linear"},
                  {"warmup", "0"},
                  {"clip-norm", "1"},
                  {"by-length", "false"},
                  {"read-out", "gradient"},
                  {"input", "padded"}}}},
  };
  return all;
}

}  // namespace

std::map<std::string, std::string> preset_named(const std::string& name, const std::string& method) {
  const auto found = presets().find(name);
  if (found == presets().end()) fail("there is no preset '{}': choose among {}", name, fmt::join(preset_names(), " "));
  Flags flags = found->second.flags;
  if (const auto own = flags_of_methods().find(method); own != flags_of_methods().end())
    for (const auto& [flag, value] : own->second) flags[flag] = value;
  return flags;
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const auto& [name, preset] : presets()) names.push_back(name);
  return names;
}

std::string preset_summary() {
  std::string text;
  for (const auto& [name, preset] : presets())
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", name, preset.summary);
  return text;
}

}  // namespace loralens
