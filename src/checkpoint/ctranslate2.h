// SPDX-License-Identifier: Apache-2.0
// Converts Whisper models from CTranslate2's format (opennmt.net/CTranslate2, model.bin version 6) to Hugging Face
// folders.
#pragma once

#include "base/files.h"

namespace loralens {

// Writes a folder that transformers' WhisperForConditionalGeneration.from_pretrained() loads: model.safetensors with
// the source's own element type (float16 or float32), config.json, preprocessor_config.json and, if there is a
// tokenizer.json beside the source, that file and generation_config.json (ctranslate2_generation.h). Tensors are
// converted one at a time.
// `source`: a folder that holds model.bin, or that file. `target`: an existing folder.
// Error, with the file and the variable, if the file is truncated, malformed, quantized to integers, or no Whisper
// model, and if tokenizer.json is that of another model.
void import_ctranslate2(const Path& source, const Path& target);

}  // namespace loralens
