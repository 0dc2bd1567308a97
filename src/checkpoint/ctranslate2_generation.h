// SPDX-License-Identifier: Apache-2.0
// Makes transformers' generation_config.json, which CTranslate2 models lack: the tokens of the prompt, and those that a
// transcript must not hold.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "base/files.h"

namespace loralens {

// The tokens' ids and the languages come from tokenizer.json. The suppressed tokens come from CTranslate2's config.json
// ("suppress_ids", "suppress_ids_begin"), and "lang_ids" there limits the languages; without this file only the special
// tokens of the prompt are suppressed and, at the begin of a text, a space and its end.
// folder: of model.bin, with tokenizer.json; tokens: the ids that config.json of transformers gives ("eos_token_id",
// "decoder_start_token_id", ...); multilingual: whether the prompt names language and task; positions: the decoder's.
// Error if tokenizer.json lacks a token or gives it another id.
nlohmann::ordered_json generation_config_of(const Path& folder, const nlohmann::ordered_json& tokens, bool multilingual,
                                            int64_t positions);

}  // namespace loralens
