// The shape of a Whisper checkpoint, as in its Hugging Face config.json.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "base/files.h"

namespace loralens {

// Shape letters used throughout: B clips, T positions, D model width, H heads, K head width, F MLP width, R rank,
// C classes, M mels, N layers.
struct WhisperConfig {
  int64_t mels = 80;         // M
  int64_t width = 512;       // D
  int64_t layers = 6;        // N
  int64_t heads = 8;         // H
  int64_t mlp_width = 2048;  // F
  int64_t positions = 1500;  // the longest input, 30 s at 50 positions a second
  nlohmann::json json;       // the whole file, so that what is derived from it can be saved again

  int64_t head_width() const { return width / heads; }
};

// Reads folder/config.json. Error if it is missing, no JSON, of another model, or its sizes do not fit together.
WhisperConfig read_config(const Path& folder);

// The same from the parsed file; `name` stands in messages.
WhisperConfig parse_config(const nlohmann::json& json, const std::string& name);

}  // namespace loralens
