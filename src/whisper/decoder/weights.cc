// SPDX-License-Identifier: Apache-2.0
// The decoder's sizes and tensors: checks of config.json, names, loading and casting.
#include "base/error.h"
#include "base/formats/json.h"
#include "whisper/checkpoint_reader.h"
#include "whisper/decoder/decoder.h"

namespace loralens {

DecoderConfig decoder_config(const nlohmann::json& json, const std::string& name) {
  const JsonObject object(json, name);
  DecoderConfig config;
  config.width = object.whole("d_model", {1, 16384});
  config.layers = object.whole("decoder_layers", {1, 256});
  config.heads = object.whole("decoder_attention_heads", {1, 256});
  config.mlp_width = object.whole("decoder_ffn_dim", {1, 65536});
  config.positions = object.whole("max_target_positions", {1, 4096});
  config.vocabulary = object.whole("vocab_size", {1, 1'000'000});
  check_heads(config.width, config.heads, "decoder_attention_heads", name);
  if (object.truth("scale_embedding", false)) object.refuse("scale_embedding", "false, as in every Whisper model");
  if (!object.truth("tie_word_embeddings", true))
    object.refuse("tie_word_embeddings", "true, as in every Whisper model");
  return config;
}

void visit_tensors(Decoder& decoder, const TensorVisitor& visit) {
  const DecoderConfig& c = decoder.config;
  const auto weights = [&](const std::string& name, auto& part, std::vector<int64_t> shape, bool bias = true) {
    visit(name + ".weight", part.weight, shape);
    if (bias) visit(name + ".bias", part.bias, {shape[0]});
  };
  visit("decoder.embed_tokens.weight", decoder.tokens, {c.vocabulary, c.width});
  visit("decoder.embed_positions.weight", decoder.positions, {c.positions, c.width});
  decoder.layers.resize(c.layers);
  for (int64_t l = 0; l < c.layers; ++l) {
    DecoderLayer& layer = decoder.layers[l];
    const std::string prefix = fmt::format("decoder.layers.{}.", l);
    weights(prefix + "self_attn_layer_norm", layer.attention_norm, {c.width});
    weights(prefix + "self_attn.q_proj", layer.q, {c.width, c.width});
    weights(prefix + "self_attn.k_proj", layer.k, {c.width, c.width}, /*bias=*/false);
    weights(prefix + "self_attn.v_proj", layer.v, {c.width, c.width});
    weights(prefix + "self_attn.out_proj", layer.out, {c.width, c.width});
    weights(prefix + "encoder_attn_layer_norm", layer.cross_norm, {c.width});
    weights(prefix + "encoder_attn.q_proj", layer.cross_q, {c.width, c.width});
    weights(prefix + "encoder_attn.k_proj", layer.cross_k, {c.width, c.width}, /*bias=*/false);
    weights(prefix + "encoder_attn.v_proj", layer.cross_v, {c.width, c.width});
    weights(prefix + "encoder_attn.out_proj", layer.cross_out, {c.width, c.width});
    weights(prefix + "final_layer_norm", layer.mlp_norm, {c.width});
    weights(prefix + "fc1", layer.fc1, {c.mlp_width, c.width});
    weights(prefix + "fc2", layer.fc2, {c.width, c.mlp_width});
  }
  weights("decoder.layer_norm", decoder.norm, {c.width});
}

Decoder load_decoder(const Path& folder, Precision precision, c10::Device device) {
  const Path file = folder / "config.json";
  Decoder decoder;
  decoder.config = decoder_config(read_json_object(file), file.string());
  CheckpointReader reader(folder);
  if (!reader.has_any("decoder."))
    fail(
        "{} has no decoder, which writes the text: give a whole Whisper checkpoint ('loralens fetch', 'loralens "
        "import')",
        folder.string());
  visit_tensors(decoder, [&](const std::string& name, at::Tensor& tensor, std::vector<int64_t> shape) {
    tensor = reader.read(name, shape, kept_type(name, precision)).to(device);
  });
  reader.expect_all_used("decoder.");
  return decoder;
}

}  // namespace loralens
