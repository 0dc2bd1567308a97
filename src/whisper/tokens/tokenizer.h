// SPDX-License-Identifier: Apache-2.0
// From tokens to text: the byte-level BPE of Whisper's tokenizer.json (Radford et al., Language Models are Unsupervised
// Multitask Learners, 2019, section 2.2), as Hugging Face's tokenizers decodes it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"

namespace loralens {

class Tokenizer {
 public:
  // Reads a tokenizer.json. words: the ids 0..words-1 are the model's tokens with a text, in Whisper those before
  // <|endoftext|>. Error if the file is missing, no tokenizer of byte-level BPE, gives an id twice or out of
  // 0..999,999, or gives no token for a word.
  Tokenizer(const Path& file, int64_t words);
  // The same from the parsed JSON; `name`: the file name in messages.
  Tokenizer(const nlohmann::json& json, int64_t words, const std::string& name);

  // The text of these tokens, UTF-8: bytes that form no character become U+FFFD. Special tokens and timestamps have no
  // text, nor have ids that tokenizer.json does not name (timestamps are missing in some files).
  std::string text(std::span<const int64_t> tokens) const;

 private:
  std::vector<std::string> bytes_;  // of each token; empty for special tokens and timestamps
};

}  // namespace loralens
