// SPDX-License-Identifier: Apache-2.0
// Whisper's text decoder (Radford et al., 2022; the reference is transformers' WhisperDecoder), one token of each clip
// at a time. Keys and values of earlier tokens are kept, those of the encoder's states are computed once per clip. No
// gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "whisper/encoder.h"

namespace loralens {

// Shape letters as in whisper/config.h; V tokens in the vocabulary, L tokens of a clip so far.
struct DecoderConfig {
  int64_t width = 512;         // D
  int64_t layers = 6;          // N
  int64_t heads = 8;           // H
  int64_t mlp_width = 2048;    // F
  int64_t positions = 448;     // maximum tokens of a clip, the prompt included
  int64_t vocabulary = 51865;  // V

  int64_t head_width() const { return width / heads; }
};

// The decoder's sizes in a model's config.json. `name` is the file name in messages. Error for sizes that are missing,
// out of range or contradictory, and for settings that no Whisper model has (scaled or untied embeddings).
DecoderConfig decoder_config(const nlohmann::json& json, const std::string& name);

struct DecoderLayer {
  Norm attention_norm;
  Linear q, k, v, out;  // D×D, attention to the tokens so far
  Norm cross_norm;
  Linear cross_q, cross_k, cross_v, cross_out;  // D×D, attention to the encoder's states
  Norm mlp_norm;
  Linear fc1, fc2;  // F×D, D×F
};

struct Decoder {
  DecoderConfig config;
  at::Tensor tokens;     // V×D; its transpose is the output projection
  at::Tensor positions;  // 448×D
  std::vector<DecoderLayer> layers;
  Norm norm;  // after the last layer

  c10::Device device() const { return tokens.device(); }
};

// Calls visit(name, tensor, shape) for each tensor of a decoder of this config, in a fixed order, with its name in
// transformers' WhisperForConditionalGeneration without "model." ("decoder.layers.0.encoder_attn.q_proj.weight").
void visit_tensors(Decoder& decoder, const TensorVisitor& visit);

// Reads the decoder from a Hugging Face Whisper folder: linear layers in precision.compute, embeddings and norms in
// precision.sums. Error for a folder without decoder (a classification model's), a missing tensor, a wrong shape, a
// decoder tensor that config.json does not describe, and NaN, infinity or a number out of the range of the type.
Decoder load_decoder(const Path& folder, Precision precision = {}, c10::Device device = c10::kCPU);

// Keys and values of the clips that are being decoded. B clips, T positions of the encoder.
class DecoderCache {
 public:
  // states: B×T×D, the encoder's output after its final norm.
  DecoderCache(const Decoder& decoder, const at::Tensor& states);

  int64_t clips() const { return clips_; }
  int64_t length() const { return length_; }  // L
  // Removes a clip. The last clip takes its number, so that no other clip's keys and values are moved.
  void remove(int64_t clip);

 private:
  friend at::Tensor advance(const Decoder&, DecoderCache&, std::span<const int64_t>);

  struct Layer {
    at::Tensor keys, values;              // B×H×room×K, of which L positions are filled
    at::Tensor cross_keys, cross_values;  // B×H×T×K
  };
  // Adds one position's keys and values (B×D each) to a layer.
  void append(Layer& layer, const at::Tensor& keys, const at::Tensor& values) const;
  void make_room();

  std::vector<Layer> layers_;
  int64_t clips_ = 0, length_ = 0, room_ = 0;
};

// Feeds the next token of each clip and returns the states after the final norm: B×D, in the decoder's type of sums.
// Error for a token outside the vocabulary, and for more tokens than the decoder has positions.
at::Tensor advance(const Decoder& decoder, DecoderCache& cache, std::span<const int64_t> tokens);

// Scores of all tokens as the next one: B×V, in the type of `states` (B×D), not normalised.
at::Tensor token_logits(const Decoder& decoder, const at::Tensor& states);

// The bytes of a clip's cross-attention keys and values, the largest part of the cache. positions: T.
int64_t cache_bytes(const DecoderConfig& config, Precision precision, int64_t positions);

}  // namespace loralens
