// SPDX-License-Identifier: Apache-2.0
// Greedy decoding: from the encoder's states of clips to the tokens of their transcripts.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "whisper/decoder/decoder.h"
#include "whisper/tokens/generation.h"

namespace loralens {

struct Transcript {
  std::vector<int64_t> tokens;  // without the prompt and <|endoftext|>
  int64_t language = detected_language;  // its token; detected_language if the prompt has none
};

// The most probable token at each step, until <|endoftext|> or Generation::most_tokens. states: B×T×D, the output of
// any encoder of the decoder's width after its final norm, of windows of 30 s (T 1,500), as Whisper was trained.
// languages: of each clip its language token, or detected_language; empty: detected for all. They count only if the
// prompt leaves the language open. Detection takes the most probable language token after <|startoftranscript|>.
// Error if scores are not finite.
std::vector<Transcript> transcribe(const Decoder& decoder, const at::Tensor& states, const Generation& generation,
                                   std::span<const int64_t> languages = {});

}  // namespace loralens
