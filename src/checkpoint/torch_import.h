// SPDX-License-Identifier: Apache-2.0
// Converts Whisper models in PyTorch's pickles to Hugging Face folders with safetensors.
#pragma once

#include <string>

#include "base/files.h"

namespace loralens {

// Whether the source is one of import_torch().
bool is_torch_model(const Path& source);

// source: a file of OpenAI's Whisper ("whisper.pt": "dims" and "model_state_dict"), or a Hugging Face folder with
// config.json and pytorch_model.bin, or its pytorch_model.bin.index.json with several files. target: an existing
// folder, which receives model.safetensors, config.json, preprocessor_config.json and, where the source folder has
// them, tokenizer.json and generation_config.json. Tensors keep their element type and are converted one at a time.
// Errors of TorchFile (no code of the source runs); error for a tensor of OpenAI's file that has no place in a Whisper
// model, is missing or has a shape that its "dims" do not give.
void import_torch(const Path& source, const Path& target);

// Error if `model`, where a model's folder is wanted, is a file; the message says of which kind it is, and how it
// becomes a folder.
void refuse_model_file(const std::string& model);

}  // namespace loralens
