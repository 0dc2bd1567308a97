// SPDX-License-Identifier: Apache-2.0
// Transcripts of audio files, in the order given. A file that cannot be read gets an error; the others go on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "inference/decoded_files.h"
#include "whisper/decoder/greedy.h"
#include "whisper/tokens/tokenizer.h"

namespace loralens {

// What a transcription runs through.
struct Transcriber {
  Encoder encoder;  // in the precision of the passes
  AdapterSet adapters;
  Decoder decoder;
  Generation generation;
  Tokenizer tokenizer;
  Precision precision;
};

struct FileTranscript : FileResult {
  std::string text;
  std::string language;         // code; "en" for an English-only model
  std::vector<int64_t> tokens;  // of all windows, one after the other
};

// The encoder's states after its final norm, of windows of 30 s. mels: M×3000 each. Returns B×1500×D.
at::Tensor window_states(const Encoder& encoder, const AdapterSet& adapters, const std::vector<at::Tensor>& mels);

// Transcribes each file and calls give() for it, in the order given. Files are padded to 30 s, as the decoder was
// trained; a longer file is cut into windows of 30 s, which are transcribed independently and joined. Its language is
// detected in the first window. Decodes audio on `threads` threads while the model computes. Windows form batches, so
// memory use depends neither on a file's length nor on the number of files.
void transcribe_files(const Transcriber& model, PathSource paths, int64_t threads,
                      const std::function<void(const FileTranscript&)>& give);

}  // namespace loralens
