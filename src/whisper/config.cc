// SPDX-License-Identifier: Apache-2.0
#include "whisper/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/formats/json.h"

namespace loralens {
namespace {

// Widths of OpenAI's models, tiny to large. Their heads are 64 wide; with another number of heads the same weights
// would compute something else.
constexpr int64_t published_widths[] = {384, 512, 768, 1024, 1280};

// Error if the feature extractor saved beside the model computes another spectrogram than log_mel.h.
void check_features(const Path& file) {
  if (!std::filesystem::exists(file)) return;
  const nlohmann::json json = read_json_object(file);
  const JsonObject object(json, file.string());
  for (const auto& [key, value] : {std::pair{"sampling_rate", 16000}, {"hop_length", 160}, {"n_fft", 400}})
    if (object.has(key) && object.at(key) != value)
      object.refuse(key, fmt::format("{}, as in every published Whisper model", value));
}

}  // namespace

WhisperConfig parse_config(const nlohmann::json& json, const std::string& name) {
  const JsonObject object(json, name);
  if (!object.has("model_type") || object.at("model_type") != "whisper")
    fail("{}: \"model_type\" is not \"whisper\"; give a Whisper checkpoint", name);
  WhisperConfig config;
  config.mels = object.whole("num_mel_bins", {1, 128});
  config.width = object.whole("d_model", {1, 16384});
  config.layers = object.whole("encoder_layers", {1, 256});
  config.heads = object.whole("encoder_attention_heads", {1, 256});
  config.mlp_width = object.whole("encoder_ffn_dim", {1, 65536});
  config.positions = object.whole("max_source_positions", {1, 1500});
  if (config.mels != 80 && config.mels != 128) fail("{}: {} mel bins; Whisper has 80 or 128", name, config.mels);
  // Besides the sizes, only this setting of transformers' encoder changes its results. The default is "gelu" (exact).
  if (object.text("activation_function", "gelu") != "gelu") object.refuse("activation_function", "\"gelu\"");
  check_heads(config.width, config.heads, "encoder_attention_heads", name);
  config.json = json;
  return config;
}

void check_heads(int64_t width, int64_t heads, const char* key, const std::string& name) {
  if (width % heads != 0) fail("{}: a width of {} cannot be split over {} heads", name, width, heads);
  if (std::ranges::find(published_widths, width) != std::end(published_widths) && width / heads != 64)
    fail("{}: \"{}\" is {}: a Whisper model of width {} has {}", name, key, heads, width, width / 64);
}

WhisperConfig read_config(const Path& folder) {
  const Path file = folder / "config.json";
  check_features(folder / "preprocessor_config.json");
  return parse_config(read_json_object(file), file.string());
}

}  // namespace loralens
