#include "whisper/config.h"

#include "base/error.h"

namespace loralens {

WhisperConfig parse_config(const nlohmann::json& json, const std::string& name) {
  if (!json.is_object()) fail("{}: not a JSON object", name);
  if (const auto type = json.find("model_type"); type == json.end() || *type != "whisper")
    fail("{}: \"model_type\" is not \"whisper\"; give a Whisper checkpoint", name);
  const auto size = [&](const char* key, int64_t most) {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_number_integer()) fail("{}: \"{}\" is missing or no whole number", name, key);
    const int64_t value = found->get<int64_t>();
    if (value < 1 || value > most) fail("{}: \"{}\" is {}, expected 1 to {}", name, key, value, most);
    return value;
  };
  WhisperConfig config;
  config.mels = size("num_mel_bins", 128);
  config.width = size("d_model", 16384);
  config.layers = size("encoder_layers", 256);
  config.heads = size("encoder_attention_heads", 256);
  config.mlp_width = size("encoder_ffn_dim", 65536);
  config.positions = size("max_source_positions", 1500);
  if (config.mels != 80 && config.mels != 128) fail("{}: {} mel bins; Whisper has 80 or 128", name, config.mels);
  if (config.width % config.heads != 0)
    fail("{}: a width of {} cannot be split over {} heads", name, config.width, config.heads);
  config.json = json;
  return config;
}

WhisperConfig read_config(const Path& folder) {
  const Path file = folder / "config.json";
  const auto json = nlohmann::json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) fail("{}: not valid JSON", file.string());
  return parse_config(json, file.string());
}

}  // namespace loralens
