// SPDX-License-Identifier: Apache-2.0
// The sizes of a Whisper model, read from its Hugging Face config.json.
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
  int64_t positions = 1500;  // maximum input length: 30 s at 50 positions per second
  nlohmann::json json;       // the whole file, for saving with models derived from it

  int64_t head_width() const { return width / heads; }
};

// Reads folder/config.json. Error if it is missing, not JSON, of another model type, or has inconsistent sizes, or if
// folder/preprocessor_config.json, where there is one, describes another spectrogram than Whisper's.
WhisperConfig read_config(const Path& folder);

// The same from the parsed JSON; `name` is the file name in messages.
WhisperConfig parse_config(const nlohmann::json& json, const std::string& name);

// Error if the width cannot be split over these heads, or if a published model of this width has another number of
// heads. key: the key of the number in config.json; name: the file name in messages.
void check_heads(int64_t width, int64_t heads, const char* key, const std::string& name);

}  // namespace loralens
