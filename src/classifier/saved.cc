// SPDX-License-Identifier: Apache-2.0
// Saving and loading of models: PEFT's file format for methods that PEFT has, transformers' tensor names throughout.
#include <ATen/ops/empty.h>

#include <algorithm>
#include <set>

#include "adapter/recorded_options.h"
#include "base/error.h"
#include "base/formats/json.h"
#include "checkpoint/finite.h"
#include "checkpoint/safetensors.h"
#include "classifier/int8_base.h"
#include "classifier/model.h"

namespace loralens {
namespace {

using at::Tensor;
using nlohmann::json;

constexpr const char* peft_prefix = "base_model.model.";
constexpr const char* read_out_prefix = "read_out.";  // for a head that reads another hidden state

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

// Reads tensors of a file by name, one at a time, and records which were used.
class Source {
 public:
  // compute: the type to which passes round the tensors.
  Source(const Path& path, std::string_view prefix, c10::ScalarType compute)
      : path_(path), prefix_(prefix), compute_(compute), file_(path) {}

  const Path& path() const { return path_; }

  // Error if there is no tensor of this name.
  std::vector<int64_t> shape(const std::string& name) const { return shape_of(prefix_ + name); }

  const std::string& prefix() const { return prefix_; }

  // fill_whole() for a name without the prefix.
  void fill(const std::string& name, const Tensor& target) { fill_whole(prefix_ + name, target); }

  // Reads the tensor of this full name into `target`, converted to target's type and device. Error for another shape,
  // and for a number that is not finite in target's type or in the type of the passes.
  void fill_whole(const std::string& name, const Tensor& target) {
    const auto found = shape_of(name);
    if (target.sizes() != found)
      fail("{}: {} has the shape [{}], [{}] was expected; is it for another model size?", path_.string(), name,
           fmt::join(found, ", "), fmt::join(target.sizes(), ", "));
    target.detach().copy_(file_.read(name));
    for (const auto type : {target.scalar_type(), compute_})
      if (!all_finite(target.detach().to(type).cpu()))
        fail("{}: {} holds a number beyond the range of {}: choose --precision fp32, or train again", path_.string(),
             name, c10::toString(type));
    used_.insert(name);
  }

  // Counts the tensors of heads as used, so that expect_all_used() accepts them.
  void ignore_heads() {
    for (const char* under : {"", read_out_prefix})
      for (const char* name :
           {"projector.weight", "projector.bias", "classifier.weight", "classifier.bias", "layer_weights"})
        used_.insert(prefix_ + under + name);
  }

  void expect_all_used() const {
    for (const std::string& name : file_.names())
      if (!used_.contains(name)) fail("{}: this model has no tensor {}", path_.string(), quoted(name));
  }

 private:
  std::vector<int64_t> shape_of(const std::string& name) const {
    if (!file_.contains(name)) fail("{}: the tensor {} is missing", path_.string(), name);
    return file_.shape(name);
  }

  Path path_;
  std::string prefix_;
  c10::ScalarType compute_;
  Safetensors file_;
  std::set<std::string> used_;
};

// The content of a folder's config.json; empty if there is none, as in a bare PEFT folder.
struct Description {
  Path file;
  json config;
  json own;  // config["loralens"]

  JsonObject in(const json& object) const { return {object, file.string()}; }
  std::string text(const char* key, const char* otherwise = "") const { return in(own).text(key, otherwise); }
  // Whether the value of `key` is `word`. Error unless it is `word` or `default_word`; a missing key means
  // `default_word`.
  bool chooses(const char* key, const char* word, const char* default_word) const {
    const std::string chosen = text(key, default_word);
    if (chosen != word && chosen != default_word)
      fail("{}: \"{}\" is \"{}\": expected \"{}\" or \"{}\"", file.string(), key, chosen, default_word, word);
    return chosen == word;
  }
};

Description describe(const Path& folder) {
  Description d{folder / "config.json", json::object(), json::object()};
  if (std::filesystem::exists(d.file)) d.config = read_json_object(d.file);
  if (const auto own = d.config.find("loralens"); own != d.config.end()) d.own = *own;
  if (!d.own.is_object()) fail("{}: \"loralens\" is {}, not an object", d.file.string(), shown_json(d.own));
  return d;
}

// The class names in id2label. Error unless it names exactly the classes 0 to count - 1.
std::vector<std::string> named_in(const json& id2label, int64_t count, const std::string& file) {
  if (!id2label.is_object()) fail("{}: \"id2label\" is {}, not an object", file, shown_json(id2label));
  std::vector<std::string> names;
  for (int64_t c = 0; c < count; ++c) {
    const auto label = id2label.find(std::to_string(c));
    if (label == id2label.end() || !label->is_string()) fail("{}: \"id2label\" has no name for class {}", file, c);
    names.push_back(*label);
  }
  if (std::ssize(id2label) != count)
    fail("{}: \"id2label\" has {} names, the head {} classes", file, id2label.size(), count);
  return names;
}

// given: names for a folder that loralens did not save; empty: config.json's id2label, else "0", "1", ...
std::vector<std::string> class_names(const json& config, const std::vector<std::string>& given, int64_t count,
                                     const Path& folder) {
  std::vector<std::string> names = given;
  const auto id2label = config.find("id2label");
  if (names.empty() && id2label != config.end())
    names = named_in(*id2label, count, (folder / "config.json").string());
  else if (names.empty())
    for (int64_t c = 0; c < count; ++c) names.push_back(std::to_string(c));
  if (std::ssize(names) != count)
    fail("{}: the head has {} classes, {} names were given", folder.string(), count, names.size());
  std::set<std::string> seen;
  for (const std::string& name : names)
    if (name.empty() || !seen.insert(name).second)
      fail("{}: the class name {} is empty or occurs twice: give each class its own name", folder.string(),
           quoted(name));
  return names;
}

// Error for a model of a run whose config.json is missing: it would be taken for a bare PEFT folder, without class
// names.
void check_config(const Path& folder) {
  const Path file = folder / "config.json", run = std::filesystem::weakly_canonical(folder).parent_path();
  if (std::filesystem::exists(file)) return;
  if (std::filesystem::exists(folder / "history.csv") || std::filesystem::exists(run / "inputs.json"))
    fail("{} is missing, which names the classes and the input of this model: copy the whole run, or train it again",
         file.string());
}

// describe() of a folder that holds a model. Error for any other folder.
Description describe_model(const Path& folder) {
  if (!is_model_folder(folder))
    fail("{}: neither a model that loralens saved nor a PEFT adapter (no adapter_config.json)", folder.string());
  check_config(folder);
  return describe(folder);
}

AdapterOptions saved_options(const Path& folder, const Description& description) {
  const Path peft = folder / "adapter_config.json";
  if (std::filesystem::exists(peft)) return read_peft_config(peft, description.text("method"));
  AdapterOptions options{.method = description.text("method")};
  read_recorded_options(description.own.value("adapter", json::object()), description.file.string(), options);
  return options;
}

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

// Loads a head. Its shapes come from its tensors, so a bare PEFT folder needs no config.json. under: prefix of its
// tensors' names.
Head load_head(const Encoder& encoder, Source& source, Source* layer_weights, const std::string& under = "") {
  const auto projector = source.shape(under + "projector.weight"),
             classifier = source.shape(under + "classifier.weight");
  const bool fits = projector.size() == 2 && classifier.size() == 2 && projector[1] == encoder.config.width &&
                    classifier[1] == projector[0];
  if (!fits || !projections.contains(projector[0]) || !class_counts.contains(classifier[0]))
    fail(
        "{}: {}projector.weight has the shape [{}], classifier.weight [{}]; expected are [P, {}] and [C, P], P {} and "
        "C {}; is it for another model size?",
        source.path().string(), under, fmt::join(projector, ", "), fmt::join(classifier, ", "), encoder.config.width,
        projections.text(), class_counts.text());
  Head head = make_head(encoder, classifier[0], {projector[0], layer_weights != nullptr}, /*seed=*/0);
  for (const Parameter& p : parameters_of(head))
    (p.role == ParameterRole::layer_weights ? *layer_weights : source).fill(under + p.name, p.tensor);
  return head;
}

// If config.json records a head for a hidden state below the last, loads it as model.head; the head that was loaded
// before becomes model.last_layer_head.
void load_read_out(EmotionModel& model, const Description& description, Source& source) {
  const JsonObject own = description.in(description.own);
  if (!own.has("read_out")) return;
  model.read_out = own.at("read_out");
  const int64_t layers = model.adapted.encoder.config.layers;
  const int64_t state = description.in(model.read_out).whole("hidden_state", {0, layers});
  if (!model.head.reads_last_layer())
    fail("{}: \"read_out\" and \"use_weighted_layer_sum\" contradict each other", description.file.string());
  if (state == layers) return;
  model.last_layer_head = std::move(model.head);
  model.head = load_head(model.adapted.encoder, source, nullptr, read_out_prefix);
  model.head.hidden_state = state;
  if (model.head.classifier.weight.size(0) != model.last_layer_head->classifier.weight.size(0))
    fail("{}: its two heads have different numbers of classes", source.path().string());
}

}  // namespace

void save_model(const Path& folder, const EmotionModel& model) {
  write_json(folder / "config.json", saved_config(model));
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

bool is_model_folder(const Path& folder) {
  return std::filesystem::exists(folder / "adapter_config.json") ||
         (std::filesystem::exists(folder / "config.json") && !describe(folder).own.empty());
}

std::string base_name_of(const Path& folder) {
  if (const std::string base = describe(folder).text("base"); !base.empty()) return base;
  if (!std::filesystem::exists(folder / "adapter_config.json")) return "";
  const json config = read_json_object(folder / "adapter_config.json");
  const auto name = config.find("base_model_name_or_path");
  return name != config.end() && name->is_string() ? name->get<std::string>() : "";
}

SavedModel saved_model(const Path& folder) {
  const Description description = describe_model(folder);
  SavedModel saved{.options = saved_options(folder, description), .classes = {}, .bare = description.own.empty()};
  if (saved.bare) return saved;
  const json id2label = description.config.value("id2label", json());
  saved.classes = named_in(id2label, std::ssize(id2label), description.file.string());
  saved.int8_base = has_int8_weights(description.config);
  return saved;
}

EmotionModel load_model(const Path& folder, const Base& base, const LoadOptions& options) {
  const Description description = describe_model(folder);
  if (const std::string sha256 = description.text("encoder_sha256"); !sha256.empty() && sha256 != base.sha256)
    fail("{} was trained on another base encoder than {}: give the right one with --model (config.json names {})",
         folder.string(), base.name, description.text("base", "no name"));

  check_base(description, base);

  EmotionModel model;
  const bool peft = std::filesystem::exists(folder / "adapter_config.json");
  model.options = saved_options(folder, description);
  const Method& method = method_named(model.options.method);
  const EncoderTraining training = method.encoder_training(model.options);
  const bool full = training == EncoderTraining::whole;
  try {
    model.adapted =
        method.attach_to_load(training == EncoderTraining::none ? base.encoder : unfilled(base.encoder), model.options);
    if (training == EncoderTraining::part) share_untrained(model.adapted, base.encoder);
  } catch (const Error& error) {  // an error in the options; its message does not name the file
    fail("{}: {}", (folder / (peft ? "adapter_config.json" : "config.json")).string(), error.what());
  }

  Source source(folder / (peft   ? "adapter_model.safetensors"
                          : full ? "model.safetensors"
                                 : "head.safetensors"),
                peft ? peft_prefix : "", base.precision.compute);
  std::optional<Source> second;  // head.safetensors with the layer weights, beside PEFT's file
  const bool weighted = options.head && description.in(description.config).truth("use_weighted_layer_sum", false);
  if (weighted && peft) second.emplace(folder / "head.safetensors", "", base.precision.compute);
  if (options.head) {
    model.head = load_head(model.adapted.encoder, source, weighted ? (second ? &*second : &source) : nullptr);
    load_read_out(model, description, source);
  } else {
    source.ignore_heads();
  }
  method.load_tensors(model.adapted, source.prefix(),
                      [&](const std::string& name, const Tensor& target) { source.fill_whole(name, target); });
  if (full) source.fill("encoder.embed_positions.weight", model.adapted.encoder.positions);
  source.expect_all_used();
  if (second) second->expect_all_used();

  model.precision = base.precision;
  const auto& given = description.own.empty() ? options.classes : std::vector<std::string>();
  if (options.head)
    model.classes = class_names(description.config, given, model.head.classifier.weight.size(0), folder);
  model.input = options.input;
  if (!description.own.empty()) {
    model.input.padded = description.chooses("input", "padded", "speech");
    model.input.tail = description.in(description.own).number("tail_seconds", tails, 0.5);
    model.input.cut = description.chooses("long_clips", "cut", "windows");
  }
  model.base = base.name;
  model.base_sha256 = base.sha256;
  return model;
}

}  // namespace loralens
