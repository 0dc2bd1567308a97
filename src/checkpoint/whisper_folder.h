// SPDX-License-Identifier: Apache-2.0
// The configuration files of a Hugging Face folder for a Whisper model that was converted or trained.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <nlohmann/json.hpp>

#include "base/files.h"

namespace loralens {

struct WhisperSizes {
  int64_t width = 0, mels = 0, encoder_positions = 0, decoder_positions = 0, vocabulary = 0;
  int64_t encoder_layers = 0, decoder_layers = 0, encoder_heads = 0, decoder_heads = 0, encoder_mlp = 0,
          decoder_mlp = 0;
};

inline constexpr int64_t english_tokens = 51864;  // in the vocabulary of an English-only model

// The special tokens of OpenAI's three vocabularies, as in openai/whisper-*. Error, which begins with `source`, for a
// vocabulary of another size.
nlohmann::ordered_json token_ids(int64_t vocabulary, const Path& source);

// config.json of transformers' WhisperForConditionalGeneration. type: of the weights. Errors of token_ids().
nlohmann::ordered_json whisper_config(const WhisperSizes& sizes, c10::ScalarType type, const Path& source);

// preprocessor_config.json of transformers' WhisperFeatureExtractor. positions: the encoder's longest input, 1500 for
// 30 s.
nlohmann::ordered_json feature_extractor_of(int64_t mels, int64_t positions);

// Writes config.json and preprocessor_config.json into an existing folder.
void write_whisper_configs(const Path& folder, const nlohmann::ordered_json& config, int64_t mels);

}  // namespace loralens
