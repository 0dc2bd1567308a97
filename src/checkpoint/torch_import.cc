// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/torch_import.h"

#include <fmt/ranges.h>

#include <array>
#include <memory>
#include <set>

#include "base/error.h"
#include "base/formats/json.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/torch_file.h"
#include "checkpoint/whisper_folder.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

// OpenAI's names and those of transformers, within a layer ("blocks.3.").
constexpr std::array<std::pair<std::string_view, std::string_view>, 13> parts_of_layers = {
    {{"attn.query", "self_attn.q_proj"},
     {"attn.key", "self_attn.k_proj"},
     {"attn.value", "self_attn.v_proj"},
     {"attn.out", "self_attn.out_proj"},
     {"attn_ln", "self_attn_layer_norm"},
     {"cross_attn.query", "encoder_attn.q_proj"},
     {"cross_attn.key", "encoder_attn.k_proj"},
     {"cross_attn.value", "encoder_attn.v_proj"},
     {"cross_attn.out", "encoder_attn.out_proj"},
     {"cross_attn_ln", "encoder_attn_layer_norm"},
     {"mlp.0", "fc1"},
     {"mlp.2", "fc2"},
     {"mlp_ln", "final_layer_norm"}}};

// OpenAI's model under the names of transformers; checks the shapes of its tensors.
class OpenaiModel {
 public:
  explicit OpenaiModel(std::shared_ptr<const TorchFile> file) : file_(std::move(file)) {}

  WhisperSizes sizes() const {
    const auto dim = [&](const char* name, Range<int64_t> range) {
      const auto found = file_->dims().find(name);
      if (found == file_->dims().end() || !range.contains(found->second))
        fail("{}: \"dims\" has no {}, or one out of range (choose {})", where(), name, range.text());
      return found->second;
    };
    const int64_t width = dim("n_audio_state", {1, 16384});
    return {.width = width,
            .mels = dim("n_mels", {1, 128}),
            .encoder_positions = dim("n_audio_ctx", {1, 1500}),
            .decoder_positions = dim("n_text_ctx", {1, 4096}),
            .vocabulary = dim("n_vocab", {1, 1 << 20}),
            .encoder_layers = dim("n_audio_layer", {1, 256}),
            .decoder_layers = dim("n_text_layer", {1, 256}),
            .encoder_heads = dim("n_audio_head", {1, 256}),
            .decoder_heads = dim("n_text_head", {1, 256}),
            .encoder_mlp = mlp_width("encoder", width),
            .decoder_mlp = mlp_width("decoder", width)};
  }

  // The tensors of the Hugging Face file. The decoder may be missing as a whole.
  const std::map<std::string, PendingTensor>& rename(const WhisperSizes& s) {
    linear("encoder.conv1", "model.encoder.conv1", {s.width, s.mels, 3});
    linear("encoder.conv2", "model.encoder.conv2", {s.width, s.width, 3});
    move("encoder.positional_embedding", "model.encoder.embed_positions.weight", {s.encoder_positions, s.width});
    side("encoder", "ln_post", s.encoder_layers, s.width, s.encoder_mlp);
    if (has_decoder()) {
      move("decoder.token_embedding.weight", "model.decoder.embed_tokens.weight", {s.vocabulary, s.width});
      move("decoder.positional_embedding", "model.decoder.embed_positions.weight", {s.decoder_positions, s.width});
      side("decoder", "ln", s.decoder_layers, s.width, s.decoder_mlp);
    }
    for (const std::string& name : file_->names())
      if (!used_.contains(name) && name != "decoder.mask" && name != "alignment_heads")
        fail("{}: the tensor {} has no place in a Whisper model", where(), quoted(name));
    return tensors_;
  }

 private:
  std::string where() const { return file_->path().string(); }

  bool has_decoder() const {
    return std::ranges::any_of(file_->names(), [](const std::string& name) { return name.starts_with("decoder."); });
  }

  int64_t mlp_width(const std::string& of, int64_t width) const {
    const std::string name = of + ".blocks.0.mlp.0.weight";
    if (!file_->contains(name)) return 4 * width;  // a decoder that the file lacks
    const auto shape = file_->shape(name);
    return shape.empty() ? 0 : shape[0];
  }

  void move(const std::string& name, const std::string& target, const std::vector<int64_t>& shape) {
    if (!file_->contains(name)) fail("{}: the tensor {} is missing; is this a whole Whisper model?", where(), name);
    if (file_->shape(name) != shape)
      fail("{}: {} has the shape [{}], its \"dims\" ask for [{}]", where(), name, fmt::join(file_->shape(name), ", "),
           fmt::join(shape, ", "));
    tensors_.emplace(target,
                     PendingTensor{file_->type(name), shape, [file = file_, name] { return file->read(name); }});
    used_.insert(name);
  }

  void linear(const std::string& name, const std::string& target, const std::vector<int64_t>& shape) {
    move(name + ".weight", target + ".weight", shape);
    if (!name.ends_with(".key")) move(name + ".bias", target + ".bias", {shape[0]});
  }

  void side(const std::string& of, const std::string& norm, int64_t layers, int64_t width, int64_t mlp) {
    for (int64_t layer = 0; layer < layers; ++layer)
      for (const auto& [theirs, ours] : parts_of_layers) {
        if (of == "encoder" && theirs.starts_with("cross_")) continue;
        std::vector<int64_t> shape = {width, width};
        if (theirs == "mlp.0") shape = {mlp, width};
        if (theirs == "mlp.2") shape = {width, mlp};
        if (theirs.ends_with("_ln")) shape = {width};
        linear(fmt::format("{}.blocks.{}.{}", of, layer, theirs), fmt::format("model.{}.layers.{}.{}", of, layer, ours),
               shape);
      }
    linear(fmt::format("{}.{}", of, norm), fmt::format("model.{}.layer_norm", of), {width});
  }

  std::shared_ptr<const TorchFile> file_;
  std::map<std::string, PendingTensor> tensors_;
  std::set<std::string> used_;
};

void import_openai(const Path& source, const Path& target) {
  const auto file = std::make_shared<const TorchFile>(source);
  if (file->dims().empty())
    fail(
        "{}: PyTorch's file has no \"dims\" of OpenAI's Whisper: give such a file, or a folder with config.json and "
        "pytorch_model.bin",
        source.string());
  OpenaiModel model(file);
  const WhisperSizes sizes = model.sizes();
  const auto& tensors = model.rename(sizes);
  const auto config = whisper_config(sizes, file->type("encoder.conv1.weight"), source);
  write_safetensors(target / "model.safetensors", tensors);
  write_whisper_configs(target, config, sizes.mels);
}

void import_folder(const Path& source, const Path& target) {
  const Path config = source / "config.json";
  if (const auto json = read_json_object(config); JsonObject(json, config.string()).text("model_type", "") != "whisper")
    fail("{}: \"model_type\" is not \"whisper\": give a Whisper checkpoint", config.string());
  const auto weights = std::make_shared<const Checkpoint>(source, WeightFormat::torch);
  std::map<std::string, PendingTensor> tensors;
  for (const std::string& name : weights->names())
    tensors.emplace(name, PendingTensor{weights->type(name), weights->shape(name),
                                        [weights, name] { return weights->read(name); }});
  for (const char* file : {"config.json", "preprocessor_config.json", "tokenizer.json", "generation_config.json"})
    if (fs::exists(source / file)) write_file(target / file, read_file(source / file));
  // By "written_by" --force knows the folder (cli/own_files.cc), since config.json is that of another program.
  write_safetensors(target / "model.safetensors", tensors, {{"format", "pt"}, {"written_by", "loralens"}});
}

}  // namespace

bool is_torch_model(const Path& source) {
  if (fs::is_directory(source))
    return fs::exists(source / "pytorch_model.bin") || fs::exists(source / "pytorch_model.bin.index.json");
  return fs::is_regular_file(source) && is_torch_file(source);
}

void refuse_model_file(const std::string& model) {
  std::error_code ignored;
  if (!fs::is_regular_file(model, ignored)) return;
  const bool torch = is_torch_file(model);
  const bool openai = torch && error_of([&] {
                                 if (TorchFile(model).dims().empty()) fail("no dims");
                               }).empty();
  if (openai)
    fail("{} is a file of OpenAI's Whisper: 'loralens import {} --to DIR' makes a folder of it", model, model);
  fail("{} is {}, and a model is a folder with config.json and model.safetensors{}", model,
       torch ? "a file of PyTorch" : "a file",
       torch ? ": give the folder of pytorch_model.bin to 'loralens import'"
             : "; 'loralens import' makes one of CTranslate2's model.bin and of OpenAI's whisper.pt");
}

void import_torch(const Path& source, const Path& target) {
  if (fs::is_directory(source)) return import_folder(source, target);
  import_openai(source, target);
}

}  // namespace loralens
