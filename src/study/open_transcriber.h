// SPDX-License-Identifier: Apache-2.0
// Opens a Whisper model for transcription: its decoder, and its own encoder or the encoder with an adapter.
#pragma once

#include <string>

#include "inference/transcribe_files.h"
#include "study/open_run.h"

namespace loralens {

// What writes texts from an encoder's states.
struct TextModel {
  Decoder decoder;
  Generation generation;
  Tokenizer tokenizer;
};

// Reads them from a checkpoint's folder. language: as in TranscriptionRequest. Error if one of them is missing.
TextModel open_text_model(const Path& folder, const std::string& language, const Compute& compute);

struct TranscriptionRequest {
  std::string model;     // a whole Whisper checkpoint: name, folder or Hugging Face id
  std::string adapter;   // model's folder, PEFT folder, or run with one final model; empty: none
  std::string language;  // code such as "de"; empty: see read_generation
};

// Error for a model without decoder, tokenizer.json or generation_config.json, and for an adapter of another base model
// or that names no single model (single_model). The adapter's emotion head is not loaded. UsageError for a language
// that the model does not know.
Transcriber open_transcriber(const TranscriptionRequest& request, const Compute& compute);

}  // namespace loralens
