// SPDX-License-Identifier: Apache-2.0
// Loading of models: those that loralens saved, adapters of PEFT, classifiers of transformers.
#include <ATen/ops/empty.h>

#include <optional>

#include "adapter/peft.h"
#include "base/error.h"
#include "base/progress.h"
#include "checkpoint/safetensors.h"
#include "classifier/foreign_adapter.h"
#include "classifier/int8_base.h"
#include "classifier/model_folder.h"

namespace loralens {
namespace {

using at::Tensor;
using nlohmann::json;

// Error if the saved config and the base have different numbers of attention heads, which shapes of weights do not
// reveal, or if only one of them has weights in int8.
void check_base(const Description& description, const Base& base) {
  const bool own = has_int8_weights(description.config);
  if (!description.own.empty() && own != has_int8_weights(base.encoder.config.json))
    fail(
        "{} was trained {} --base-precision int8, but the base model is opened {} it: models with "
        "different base weights cannot be used together",
        description.file.parent_path().string(), own ? "with" : "without", own ? "without" : "with");
  if (!description.config.contains("encoder_attention_heads")) return;
  const WhisperConfig saved = parse_config(description.config, description.file.string());
  if (saved.heads != base.encoder.config.heads)
    fail("{}: \"encoder_attention_heads\" is {}, {} has {}", description.file.string(), saved.heads, base.name,
         base.encoder.config.heads);
}

// An uninitialised encoder of the same shapes, in the type Precision::sums, to be filled from a file.
Encoder unfilled(const Encoder& base) {
  Encoder encoder;
  encoder.config = base.config;
  visit_tensors(encoder, [&](const std::string&, Tensor& tensor, std::vector<int64_t> shape) {
    tensor = at::empty(shape, base.norm.weight.options());
  });
  return encoder;
}

// The files that hold the parts of a head; they may be the same.
struct HeadFiles {
  TensorSource& projector;
  TensorSource& classifier;
  TensorSource* layer_weights = nullptr;  // nullptr: the head has none
};

// Loads a head. Its shapes come from its tensors, so a bare PEFT folder needs no config.json. under: prefix of its
// tensors' names.
Head load_head(const Encoder& encoder, const HeadFiles& files, const std::string& under = "") {
  const auto projector = files.projector.shape(under + "projector.weight"),
             classifier = files.classifier.shape(under + "classifier.weight");
  const bool fits = projector.size() == 2 && classifier.size() == 2 && projector[1] == encoder.config.width &&
                    classifier[1] == projector[0];
  if (!fits || !projections.contains(projector[0]) || !class_counts.contains(classifier[0]))
    fail(
        "{}: {}projector.weight has the shape [{}], classifier.weight [{}]; expected are [P, {}] and [C, P], P {} and "
        "C {}; is it for another model size?",
        files.projector.path().string(), under, fmt::join(projector, ", "), fmt::join(classifier, ", "),
        encoder.config.width, projections.text(), class_counts.text());
  Head head = make_head(encoder, classifier[0], {projector[0], files.layer_weights != nullptr}, /*seed=*/0);
  for (const Parameter& p : parameters_of(head)) {
    TensorSource& file = p.role == ParameterRole::layer_weights ? *files.layer_weights
                         : p.name.starts_with("projector.")     ? files.projector
                                                                : files.classifier;
    file.fill(under + p.name, p.tensor);
  }
  return head;
}

// If config.json records a head for a hidden state below the last, loads it as model.head; the head that was loaded
// before becomes model.last_layer_head.
void load_read_out(EmotionModel& model, const Description& description, TensorSource& source) {
  const JsonObject own = description.in(description.own);
  if (!own.has("read_out")) return;
  model.read_out = own.at("read_out");
  const int64_t layers = model.adapted.encoder.config.layers;
  const int64_t state = description.in(model.read_out).whole("hidden_state", {0, layers});
  if (!model.head.reads_last_layer())
    fail("{}: \"read_out\" and \"use_weighted_layer_sum\" contradict each other", description.file.string());
  if (state == layers) return;
  model.last_layer_head = std::move(model.head);
  model.head = load_head(model.adapted.encoder, {source, source}, read_out_prefix);
  model.head.hidden_state = state;
  if (model.head.classifier.weight.size(0) != model.last_layer_head->classifier.weight.size(0))
    fail("{}: its two heads have different numbers of classes", source.path().string());
}

// The adapters with values still to be filled. An error in the options, whose message does not name the file, gets its
// name.
Adapted attached(const Path& folder, const Base& base, const AdapterOptions& options) {
  const Method& method = method_named(options.method);
  const EncoderTraining training = method.encoder_training(options);
  try {
    Adapted adapted =
        method.attach_to_load(training == EncoderTraining::none ? base.encoder : unfilled(base.encoder), options);
    if (training == EncoderTraining::part) share_untrained(adapted, base.encoder);
    return adapted;
  } catch (const Error& error) {
    const bool peft = std::filesystem::exists(folder / "adapter_config.json");
    fail("{}: {}", (folder / (peft ? "adapter_config.json" : "config.json")).string(), error.what());
  }
}

// Loads the head of an adapter that PEFT saved, or leaves the model without one. The head of a base model that is a
// classifier serves where the adapter's file has none. Sets model.no_head.
void load_foreign_head(EmotionModel& model, const Path& folder, const Base& base, const LoadOptions& options,
                       Description description, TensorSource& source) {
  std::optional<TensorSource> of_base;
  if (!base.folder.empty() && is_classifier_folder(base.folder))
    of_base.emplace(std::make_shared<const Checkpoint>(base.folder), model.precision.compute);
  if (options.head != HeadUse::none) model.no_head = head_fault(source, of_base ? &*of_base : nullptr);
  if (options.head == HeadUse::needed && !model.no_head.empty()) refuse_headless(folder, source.path(), model.no_head);
  if (options.head == HeadUse::none || !model.no_head.empty()) {
    ignore_heads(source, /*all=*/true);
    if (options.head == HeadUse::if_any) model.classes = options.classes;
    return;
  }
  const auto holder = [&](const char* name) -> TensorSource& { return source.contains(name) ? source : *of_base; };
  HeadFiles files{holder("projector.weight"), holder("classifier.weight")};
  std::optional<TensorSource> second;
  if (of_base && base.encoder.config.json.value("use_weighted_layer_sum", false)) files.layer_weights = &*of_base;
  if (description.in(description.config).truth("use_weighted_layer_sum", false))
    files.layer_weights = &second.emplace(open_tensor_file(folder / "head.safetensors"), model.precision.compute);
  model.head = load_head(model.adapted.encoder, files);
  if (second) second->expect_all_used();
  merge_head_adapters(model, source);
  if (&files.classifier != &source && !description.config.contains("id2label"))
    description.config["id2label"] = base.encoder.config.json.value("id2label", json::object());
  model.classes = class_names(description, options.classes, model.head.classifier.weight.size(0));
}

// Loads the head of a model that is whole, and what belongs to it.
void load_own_head(EmotionModel& model, const Path& folder, const Description& description, const LoadOptions& options,
                   TensorSource& source) {
  if (options.head == HeadUse::none) return ignore_heads(source, /*all=*/false);
  HeadFiles files{source, source};
  std::optional<TensorSource> second;  // head.safetensors with the layer weights, beside PEFT's file
  if (description.in(description.config).truth("use_weighted_layer_sum", false)) {
    if (std::filesystem::exists(folder / "adapter_config.json"))
      second.emplace(open_tensor_file(folder / "head.safetensors"), model.precision.compute);
    files.layer_weights = second ? &*second : &source;
  }
  model.head = load_head(model.adapted.encoder, files);
  load_read_out(model, description, source);
  if (second) second->expect_all_used();
  const bool own = description.kind == FolderKind::own;
  model.classes = class_names(description, own ? std::vector<std::string>() : options.classes,
                              model.head.classifier.weight.size(0));
}

void tell_of_unread(const Path& folder, const TensorSource& source) {
  if (const int64_t modules = source.decoder_modules(); modules > 0)
    log_line(fmt::format("{}: left out: the adapters of {} modules of the decoder, since only the encoder is used",
                         source.path().string(), modules));
  const Path file = folder / "adapter_config.json";
  if (const auto unknown = unknown_keys(read_json_object(file)); !unknown.empty())
    log_line(fmt::format("{}: unknown keys, which have no effect here: {}", file.string(), fmt::join(unknown, ", ")));
}

}  // namespace

EmotionModel load_model(const Path& folder, const Base& base, const LoadOptions& options) {
  const Description description = describe_model(folder);
  if (const std::string sha256 = description.text("encoder_sha256"); !sha256.empty() && sha256 != base.sha256)
    fail("{} was trained on another base encoder than {}: give the right one with --model (config.json names {})",
         folder.string(), base.name, description.text("base", "no name"));
  check_base(description, base);
  EmotionModel model;
  model.options = saved_options(folder, description);
  model.precision = base.precision;
  model.base = base.name;
  model.base_sha256 = base.sha256;
  const Method& method = method_named(model.options.method);
  model.adapted = attached(folder, base, model.options);
  TensorSource source = open_source(folder, description, model.options, base.precision.compute);
  if (description.kind == FolderKind::peft)
    load_foreign_head(model, folder, base, options, description, source);
  else
    load_own_head(model, folder, description, options, source);
  method.load_tensors(model.adapted, source.prefix(),
                      [&](const std::string& name, const Tensor& target) { source.fill_whole(name, target); });
  if (method.encoder_training(model.options) == EncoderTraining::whole)
    source.fill("encoder.embed_positions.weight", model.adapted.encoder.positions);
  if (description.kind == FolderKind::peft) {
    load_encoder_tensors(model, source);
    tell_of_unread(folder, source);
  }
  source.expect_all_used();
  model.input = options.input;
  if (description.kind == FolderKind::own) {
    model.input.padded = description.chooses("input", "padded", "speech");
    model.input.tail = description.in(description.own).number("tail_seconds", tails, 0.5);
    model.input.cut = description.chooses("long_clips", "cut", "windows");
  }
  return model;
}

}  // namespace loralens
