// SPDX-License-Identifier: Apache-2.0
// For tests: a tiny decoder with random weights, beside the tiny encoder, and its JSON files.
#pragma once

#include <cmath>

#include "base/random.h"
#include "compute/test_tensors.h"
#include "whisper/decoder/decoder.h"
#include "whisper/test_encoder.h"

namespace loralens {

// D 16, H 2, N 2, F 32, 20 positions, 40 tokens.
inline nlohmann::json tiny_whisper_json() {
  nlohmann::json json = tiny_config().json;
  json.update({{"decoder_layers", 2},
               {"decoder_attention_heads", 2},
               {"decoder_ffn_dim", 32},
               {"max_target_positions", 20},
               {"vocab_size", 40}});
  return json;
}

// A decoder of these sizes, whose weights preserve the scale of activations; norm weights near 1, biases near 0.
inline Decoder random_decoder(const DecoderConfig& config, Precision precision, uint64_t seed = 1) {
  Decoder decoder;
  decoder.config = config;
  visit_tensors(decoder, [&](const std::string& name, at::Tensor& tensor, std::vector<int64_t> shape) {
    const bool norm = name.find("layer_norm.weight") != std::string::npos;
    const bool linear = name.find("_attn.") != std::string::npos || name.find(".fc") != std::string::npos;
    const double scale = name.find("embed_tokens") != std::string::npos ? 1
                         : shape.size() == 1 || !linear                 ? 0.1
                                                                        : 1 / std::sqrt(static_cast<double>(shape[1]));
    tensor = random_tensor(shape, hash_of(seed, hash_of(name)), scale);
    if (norm) tensor.add_(1);
    tensor = tensor.to(c10::ScalarType::Float).to(linear ? precision.compute : precision.sums);
  });
  return decoder;
}

inline Decoder tiny_decoder(Precision precision = {}, uint64_t seed = 1) {
  return random_decoder(decoder_config(tiny_whisper_json(), "tiny"), precision, seed);
}

// Tokens 0 to 31 are letters; the others are special: 32 the end, 33 the start, 34 and 35 the languages de and en, 36
// and 37 the tasks transcribe and translate, 38 no timestamps, 39 a timestamp.
constexpr int64_t tiny_words = 32;
inline nlohmann::json tiny_generation_json() {
  return {{"decoder_start_token_id", 33},
          {"eos_token_id", 32},
          {"no_timestamps_token_id", 38},
          {"is_multilingual", true},
          {"forced_decoder_ids", {{1, nullptr}, {2, 36}}},
          {"lang_to_id", {{"<|de|>", 34}, {"<|en|>", 35}}},
          {"task_to_id", {{"transcribe", 36}, {"translate", 37}}},
          {"suppress_tokens", {33, 34, 35, 36, 37, 38, 39}},
          {"begin_suppress_tokens", {0, 32}},
          {"max_length", 448}};
}

// The tokenizer of these tokens: 0 is a space, 1 to 26 are letters, 27 to 31 the bytes e2 82 ac 9f c3.
inline nlohmann::json tiny_tokenizer_json() {
  nlohmann::json vocabulary = {{"Ġ", 0}, {"â", 27}, {"Ĥ", 28}, {"¬", 29}, {"Ł", 30}, {"Ã", 31}};
  for (int i = 0; i < 26; ++i) vocabulary[std::string(1, static_cast<char>('a' + i))] = i + 1;
  nlohmann::json added = nlohmann::json::array();
  const char* const special[] = {"<|endoftext|>",  "<|startoftranscript|>", "<|de|>",           "<|en|>",
                                 "<|transcribe|>", "<|translate|>",         "<|notimestamps|>", "<|0.00|>"};
  for (int i = 0; i < 8; ++i) added.push_back({{"id", 32 + i}, {"content", special[i]}, {"special", i < 7}});
  return {{"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"added_tokens", added}};
}

}  // namespace loralens
