// SPDX-License-Identifier: Apache-2.0
// Maps the variables of CTranslate2's WhisperSpec to the tensor names of Hugging Face files.
#include "checkpoint/ctranslate2.h"

#include <ATen/ops/count_nonzero.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/formats/json.h"
#include "checkpoint/ctranslate2_file.h"
#include "checkpoint/ctranslate2_generation.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/whisper_folder.h"

namespace loralens {
namespace {

int64_t size_of(const CTranslate2File& file, const std::string& name, size_t rank, size_t dimension) {
  const auto& shape = file.variable(name).shape;
  if (shape.size() != rank)
    fail("{}: variable {} has {} dimensions instead of {}", file.path().string(), quoted(name), shape.size(), rank);
  return shape[dimension];
}

int64_t layers_of(const CTranslate2File& file, const std::string& side) {
  int64_t layers = 0;
  while (file.variables().contains(fmt::format("{}/layer_{}/ffn/linear_0/weight", side, layers))) ++layers;
  if (layers == 0) fail("{}: the {} has no layers; this is no Whisper model", file.path().string(), side);
  return layers;
}

int64_t heads_of(const CTranslate2File& file, const std::string& side, int64_t width) {
  const double heads = file.number(side + "/num_heads");
  if (width % 64 != 0 || heads * 64 != static_cast<double>(width))
    fail("{}: {} heads in the {} at a width of {}; every Whisper model has heads of 64", file.path().string(), heads,
         side, width);
  return width / 64;
}

WhisperSizes sizes_of(const CTranslate2File& file) {
  WhisperSizes sizes;
  sizes.width = size_of(file, "encoder/conv1/weight", 3, 0);
  sizes.mels = size_of(file, "encoder/conv1/weight", 3, 1);
  sizes.encoder_positions = size_of(file, "encoder/position_encodings/encodings", 2, 0);
  sizes.decoder_positions = size_of(file, "decoder/position_encodings/encodings", 2, 0);
  sizes.vocabulary = size_of(file, "decoder/embeddings/weight", 2, 0);
  sizes.encoder_layers = layers_of(file, "encoder");
  sizes.decoder_layers = layers_of(file, "decoder");
  sizes.encoder_heads = heads_of(file, "encoder", sizes.width);
  sizes.decoder_heads = heads_of(file, "decoder", sizes.width);
  sizes.encoder_mlp = size_of(file, "encoder/layer_0/ffn/linear_0/weight", 2, 0);
  sizes.decoder_mlp = size_of(file, "decoder/layer_0/ffn/linear_0/weight", 2, 0);
  return sizes;
}

// Collects the tensors of the Hugging Face file, and checks that every weight of the source is used.
class Renaming {
 public:
  explicit Renaming(const CTranslate2File& file) : file_(file) {}

  // Variable `name` becomes tensor `target`.
  void rename(const std::string& name, const std::string& target, std::vector<int64_t> shape) {
    split(name, {target}, std::move(shape));
  }

  // Variable `name` holds the targets, each of `shape`, stacked along the first dimension. A target "" is dropped and
  // must be zero.
  void split(const std::string& name, const std::vector<std::string>& targets, std::vector<int64_t> shape) {
    const auto& source = file_.variable(name);
    const auto where = [&] { return fmt::format("{}: variable {}", file_.path().string(), quoted(name)); };
    if (source.type != at::kHalf && source.type != at::kFloat)
      fail("{}: it is quantized to {}: convert the model again with ct2-transformers-converter --quantization float16",
           where(), c10::toString(source.type));
    const int64_t rows = shape[0];
    std::vector<int64_t> stacked = shape;
    stacked[0] *= std::ssize(targets);
    if (source.shape != stacked) fail("{}: its shape does not fit the other variables", where());
    for (size_t i = 0; i < targets.size(); ++i) {
      const auto make = [this, name, rows, first = static_cast<int64_t>(i) * rows] {
        return file_.read_rows(name, first, rows);
      };
      if (!targets[i].empty())
        tensors_.emplace(targets[i], PendingTensor{source.type, shape, make});
      else if (at::count_nonzero(make()).item().toLong() != 0)
        fail("{}: Whisper's key projection has no bias, but this one is not zero", where());
    }
    used_.insert(name);
  }

  void linear(const std::string& name, const std::string& target, int64_t out, int64_t in) {
    rename(name + "/weight", target + ".weight", {out, in});
    rename(name + "/bias", target + ".bias", {out});
  }

  void norm(const std::string& name, const std::string& target, int64_t width) {
    rename(name + "/gamma", target + ".weight", {width});
    rename(name + "/beta", target + ".bias", {width});
  }

  // Splits stacked projections, `letters` such as "qkv", into those of the attention block `target`.
  void projections(const std::string& name, const std::string& target, const std::string& letters, int64_t width) {
    std::vector<std::string> weights, biases;
    for (const char letter : letters) {
      weights.push_back(fmt::format("{}.{}_proj.weight", target, letter));
      biases.push_back(letter == 'k' ? "" : fmt::format("{}.{}_proj.bias", target, letter));
    }
    split(name + "/weight", weights, {width, width});
    split(name + "/bias", biases, {width});
  }

  // The tensors. Error if a floating-point array of the source has not been used.
  const std::map<std::string, PendingTensor>& finish() const {
    for (const auto& [name, variable] : file_.variables())
      if (!used_.contains(name) && !variable.shape.empty() && at::isFloatingType(variable.type))
        fail("{}: the variable {} has no place in a Whisper model", file_.path().string(), quoted(name));
    return tensors_;
  }

 private:
  const CTranslate2File& file_;
  std::map<std::string, PendingTensor> tensors_;
  std::set<std::string> used_;
};

void rename_layers(Renaming& names, const std::string& side, int64_t layers, int64_t width, int64_t mlp) {
  for (int64_t i = 0; i < layers; ++i) {
    const std::string from = fmt::format("{}/layer_{}/", side, i), to = fmt::format("model.{}.layers.{}.", side, i);
    names.projections(from + "self_attention/linear_0", to + "self_attn", "qkv", width);
    names.linear(from + "self_attention/linear_1", to + "self_attn.out_proj", width, width);
    names.norm(from + "self_attention/layer_norm", to + "self_attn_layer_norm", width);
    if (side == "decoder") {
      names.projections(from + "attention/linear_0", to + "encoder_attn", "q", width);
      names.projections(from + "attention/linear_1", to + "encoder_attn", "kv", width);
      names.linear(from + "attention/linear_2", to + "encoder_attn.out_proj", width, width);
      names.norm(from + "attention/layer_norm", to + "encoder_attn_layer_norm", width);
    }
    names.linear(from + "ffn/linear_0", to + "fc1", mlp, width);
    names.linear(from + "ffn/linear_1", to + "fc2", width, mlp);
    names.norm(from + "ffn/layer_norm", to + "final_layer_norm", width);
  }
  names.norm(side + "/layer_norm", fmt::format("model.{}.layer_norm", side), width);
}

void rename_all(Renaming& names, const WhisperSizes& s) {
  names.rename("encoder/conv1/weight", "model.encoder.conv1.weight", {s.width, s.mels, 3});
  names.rename("encoder/conv1/bias", "model.encoder.conv1.bias", {s.width});
  names.rename("encoder/conv2/weight", "model.encoder.conv2.weight", {s.width, s.width, 3});
  names.rename("encoder/conv2/bias", "model.encoder.conv2.bias", {s.width});
  names.rename("encoder/position_encodings/encodings", "model.encoder.embed_positions.weight",
               {s.encoder_positions, s.width});
  rename_layers(names, "encoder", s.encoder_layers, s.width, s.encoder_mlp);
  names.rename("decoder/embeddings/weight", "model.decoder.embed_tokens.weight", {s.vocabulary, s.width});
  names.rename("decoder/position_encodings/encodings", "model.decoder.embed_positions.weight",
               {s.decoder_positions, s.width});
  rename_layers(names, "decoder", s.decoder_layers, s.width, s.decoder_mlp);
}

// Error if an attribute that changes the meaning of the weights has another value than Whisper's.
void check_attributes(const CTranslate2File& file) {
  const std::string where = file.path().string();
  if (file.specification() != "WhisperSpec" || file.revision() != 3)
    fail("{}: a model of specification {} revision {}, where WhisperSpec revision 3 is needed", where,
         quoted(file.specification()), file.revision());
  const std::pair<const char*, int> expected[] = {
      {"decoder/activation", 3}, {"decoder/alibi", 0}, {"decoder/pre_norm", 1}, {"decoder/scale_embeddings", 0}};
  for (const auto& [name, value] : expected)  // activation 3: exact GELU
    if (file.number(name) != value) fail("{}: {} is {}, in Whisper it is {}", where, name, file.number(name), value);
  const auto tied = file.aliases().find("decoder/projection/weight");
  if (tied == file.aliases().end() || tied->second != "decoder/embeddings/weight")
    fail("{}: the output projection is not tied to the token embedding, unlike in Whisper", where);
}

}  // namespace

void import_ctranslate2(const Path& source, const Path& target) {
  const Path model = std::filesystem::is_directory(source) ? source / "model.bin" : source;
  if (!std::filesystem::exists(model))
    fail("{} is missing: give a folder with CTranslate2's model.bin, or that file", model.string());
  const CTranslate2File file(model);
  check_attributes(file);
  const WhisperSizes sizes = sizes_of(file);
  Renaming names(file);
  rename_all(names, sizes);
  const auto config = whisper_config(sizes, file.variable("encoder/conv1/weight").type, model);

  std::string tokenizer;
  nlohmann::ordered_json generation;
  if (const Path folder = model.parent_path(); std::filesystem::exists(folder / "tokenizer.json")) {
    tokenizer = read_file(folder / "tokenizer.json");
    generation = generation_config_of(folder, token_ids(sizes.vocabulary, model), sizes.vocabulary != english_tokens,
                                      sizes.decoder_positions);
  }

  write_safetensors(target / "model.safetensors", names.finish());
  write_whisper_configs(target, config, sizes.mels);
  if (!tokenizer.empty()) write_file(target / "tokenizer.json", tokenizer);
  if (!generation.is_null()) write_file(target / "generation_config.json", generation.dump(2) + "\n");
}

}  // namespace loralens
