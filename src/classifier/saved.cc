// SPDX-License-Identifier: Apache-2.0
// Saving of models: PEFT's file format for methods that PEFT has, transformers' tensor names throughout.
#include "adapter/recorded_options.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/whisper_folder.h"
#include "classifier/model_folder.h"

namespace loralens {
namespace {

using at::Tensor;
using nlohmann::json;

void write_json(const Path& file, const json& value) { write_file(file, value.dump(2) + "\n"); }

json saved_config(const EmotionModel& model) {
  json config = model.adapted.encoder.config.json;
  json id2label = json::object(), label2id = json::object();
  for (size_t i = 0; i < model.classes.size(); ++i) {
    id2label[std::to_string(i)] = model.classes[i];
    label2id[model.classes[i]] = i;
  }
  config["architectures"] = {"WhisperForAudioClassification"};
  config["id2label"] = id2label;
  config["label2id"] = label2id;
  config["classifier_proj_size"] = model.head.projector.weight.size(0);
  config["use_weighted_layer_sum"] = model.head.layer_weights.defined();
  config.erase("torch_dtype");
  config["dtype"] = "float32";
  config["loralens"] = {{"method", model.options.method},      {"base", model.base},
                        {"encoder_sha256", model.base_sha256}, {"input", model.input.padded ? "padded" : "speech"},
                        {"tail_seconds", model.input.tail},    {"long_clips", model.input.cut ? "cut" : "windows"},
                        {"version", LORALENS_VERSION}};
  if (!model.read_out.is_null()) config["loralens"]["read_out"] = model.read_out;
  if (!method_named(model.options.method).peft_config(model.options))
    if (const json options = recorded_options(model.options); !options.empty()) config["loralens"]["adapter"] = options;
  return config;
}

void add_head(Tensors& tensors, const Head& head, const std::string& prefix) {
  for (const Parameter& p : parameters_of(head)) tensors[prefix + p.name] = p.tensor.detach().contiguous();
}

Tensors head_tensors(const EmotionModel& model, const std::string& prefix) {
  Tensors tensors;
  add_head(tensors, model.last_layer_head ? *model.last_layer_head : model.head, prefix);
  if (model.last_layer_head) add_head(tensors, model.head, prefix + read_out_prefix);
  return tensors;
}

// The tensors of the adapters and of the head by their names in the file.
Tensors saved_tensors(const EmotionModel& model, const std::string& prefix) {
  Tensors tensors = head_tensors(model, prefix);
  for (const auto& [name, tensor] : method_named(model.options.method).tensors_to_save(model.adapted, prefix))
    tensors[name] = tensor.detach().contiguous();
  return tensors;
}

}  // namespace

void save_model(const Path& folder, const EmotionModel& model) {
  write_json(folder / "config.json", saved_config(model));
  const WhisperConfig& whisper = model.adapted.encoder.config;
  write_file(folder / "preprocessor_config.json", feature_extractor_of(whisper.mels, whisper.positions).dump(2) + "\n");
  const bool weighted = model.head.layer_weights.defined();
  const auto peft = method_named(model.options.method).peft_config(model.options);
  if (peft) {
    json config = *peft;
    config["modules_to_save"] = {"projector", "classifier"};
    config["base_model_name_or_path"] = model.base;
    config["task_type"] = nullptr;
    config["inference_mode"] = true;
    write_json(folder / "adapter_config.json", config);
    Tensors tensors = saved_tensors(model, peft_prefix);
    tensors.erase(std::string(peft_prefix) + "layer_weights");
    write_safetensors(folder / "adapter_model.safetensors", tensors);
    if (weighted)
      write_safetensors(folder / "head.safetensors", {{"layer_weights", model.head.layer_weights.detach()}});
  } else if (method_named(model.options.method).encoder_training(model.options) == EncoderTraining::whole) {
    Tensors tensors = head_tensors(model, "");
    visit_tensors(model.adapted.encoder,
                  [&](const std::string& name, const Tensor& tensor) { tensors[name] = tensor.detach().contiguous(); });
    write_safetensors(folder / "model.safetensors", tensors);
  } else {
    write_safetensors(folder / "head.safetensors", saved_tensors(model, ""));
  }
}

}  // namespace loralens
