// SPDX-License-Identifier: Apache-2.0
// How a model is asked for a transcript: the tokens of the prompt, and those that it must not write, from the model's
// generation_config.json. The rules are those of transformers' WhisperForConditionalGeneration.generate().
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/files.h"
#include "whisper/decoder/decoder.h"

namespace loralens {

// Stands in a prompt for the language token that the model chooses for each clip.
inline constexpr int64_t detected_language = -1;

struct Generation {
  std::vector<int64_t> prompt;            // begins with <|startoftranscript|>; may hold detected_language
  std::vector<int64_t> suppressed;        // tokens that are never written
  std::vector<int64_t> suppressed_first;  // tokens that cannot be the first one after the prompt
  int64_t end = 0;                        // <|endoftext|>
  int64_t most_tokens = 448;              // of a clip, the prompt included
  std::map<std::string, int64_t> languages;  // code ("de") and token; empty for an English-only model

  // The code of a language token; "" for any other number.
  std::string language_of(int64_t token) const;
};

// Reads folder/generation_config.json. language: a code such as "de"; "": that of the file, else the model detects the
// language of each clip. Without timestamps; the task is that of the file, else transcription.
// Error if the file is missing, a value is missing, out of range or contradictory; UsageError for a language that the
// model does not know, and for any language with an English-only model.
Generation read_generation(const Path& folder, const DecoderConfig& config, const std::string& language);

// The same from the parsed JSON; `name`: the file name in messages.
Generation generation_of(const nlohmann::json& json, const DecoderConfig& config, const std::string& language,
                         const std::string& name);

}  // namespace loralens
