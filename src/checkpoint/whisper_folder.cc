// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/whisper_folder.h"

#include "base/error.h"

namespace loralens {
nlohmann::ordered_json feature_extractor_of(int64_t mels, int64_t positions) {
  constexpr int64_t rate = 16000, hop = 160;                // Hz, samples
  const int64_t frames = 2 * positions;  // the encoder's second convolution halves them
  return {
      {"feature_extractor_type", "WhisperFeatureExtractor"},
      {"processor_class", "WhisperProcessor"},
      {"feature_size", mels},
      {"sampling_rate", rate},
      {"n_fft", 400},
      {"hop_length", hop},
      {"chunk_length", frames * hop / rate},
      {"n_samples", frames * hop},
      {"nb_max_frames", frames},
      {"padding_side", "right"},
      {"padding_value", 0.0},
      {"return_attention_mask", false},
  };
}

nlohmann::ordered_json token_ids(int64_t vocabulary, const Path& source) {
  const auto ids = [](int end, int padding, int start) -> nlohmann::ordered_json {
    return {
        {"bos_token_id", 50257}, {"eos_token_id", end}, {"pad_token_id", padding}, {"decoder_start_token_id", start}};
  };
  constexpr int64_t multilingual = 51865, with_cantonese = 51866;  // the second: large-v3
  if (vocabulary == english_tokens) return ids(50256, 50256, 50257);
  if (vocabulary == with_cantonese) return ids(50257, 50256, 50258);
  if (vocabulary >= multilingual) return ids(50257, 50257, 50258);  // added tokens follow Whisper's
  fail("{}: a vocabulary of {} tokens is none of Whisper's (51864, 51865, 51866, or more with added tokens)",
       source.string(), vocabulary);
}

nlohmann::ordered_json whisper_config(const WhisperSizes& s, c10::ScalarType type, const Path& source) {
  nlohmann::ordered_json config = {
      {"architectures", {"WhisperForConditionalGeneration"}},
      {"model_type", "whisper"},
      {"d_model", s.width},
      {"num_mel_bins", s.mels},
      {"max_source_positions", s.encoder_positions},
      {"max_target_positions", s.decoder_positions},
      {"vocab_size", s.vocabulary},
      {"encoder_layers", s.encoder_layers},
      {"encoder_attention_heads", s.encoder_heads},
      {"encoder_ffn_dim", s.encoder_mlp},
      {"decoder_layers", s.decoder_layers},
      {"decoder_attention_heads", s.decoder_heads},
      {"decoder_ffn_dim", s.decoder_mlp},
      {"num_hidden_layers", s.encoder_layers},
      {"activation_function", "gelu"},
      {"is_encoder_decoder", true},
      {"scale_embedding", false},
      {"tie_word_embeddings", true},
      {"torch_dtype", type == c10::ScalarType::Half ? "float16" : "float32"},
  };
  config.update(token_ids(s.vocabulary, source));
  return config;
}

void write_whisper_configs(const Path& folder, const nlohmann::ordered_json& config, int64_t mels) {
  write_file(folder / "config.json", config.dump(2) + "\n");
  write_file(folder / "preprocessor_config.json",
             feature_extractor_of(mels, config["max_source_positions"]).dump(2) + "\n");
}

}  // namespace loralens
