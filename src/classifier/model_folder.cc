// SPDX-License-Identifier: Apache-2.0
#include "classifier/model_folder.h"

#include <algorithm>
#include <set>

#include "adapter/recorded_options.h"
#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "classifier/int8_base.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Whether config.json is that of a classifier of transformers.
bool is_classifier(const json& config) {
  const auto found = config.find("architectures");
  return found != config.end() && found->is_array() &&
         std::ranges::find(*found, json("WhisperForAudioClassification")) != found->end();
}

Description describe(const Path& folder) {
  Description d{folder / "config.json", json::object(), json::object()};
  if (fs::exists(d.file)) d.config = read_json_object(d.file);
  if (const auto own = d.config.find("loralens"); own != d.config.end()) d.own = *own;
  if (!d.own.is_object()) fail("{}: \"loralens\" is {}, not an object", d.file.string(), shown_json(d.own));
  if (d.own.empty()) d.kind = fs::exists(folder / "adapter_config.json") ? FolderKind::peft : FolderKind::classifier;
  return d;
}

// The file with a PEFT adapter's tensors.
Path peft_file(const Path& folder) {
  const Path safe = folder / "adapter_model.safetensors", pickle = folder / "adapter_model.bin";
  return !fs::exists(safe) && fs::exists(pickle) ? pickle : safe;
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

// Error for a model of a run whose config.json is missing: it would be taken for a bare PEFT folder, without class
// names.
void check_config(const Path& folder) {
  const Path file = folder / "config.json", run = fs::weakly_canonical(folder).parent_path();
  if (fs::exists(file)) return;
  if (fs::exists(folder / "history.csv") || fs::exists(run / "inputs.json"))
    fail("{} is missing, which names the classes and the input of this model: copy the whole run, or train it again",
         file.string());
}

// Error if adapter_config.json names a rank above every size in the file: the adapters would take memory for it before
// their tensors are read.
void check_ranks(const Path& settings, const TensorFile& file) {
  int64_t largest = 0;
  for (const std::string& name : file.names())
    for (const int64_t size : file.shape(name)) largest = std::max(largest, size);
  const auto check = [&](const json& rank) {
    if (rank.is_number_integer() && rank.get<int64_t>() > largest)
      fail("{}: the rank {} is larger than every size of the tensors in {}", settings.string(), shown_json(rank),
           file.path().string());
  };
  const json config = read_json_object(settings);
  check(config.value("r", json()));
  for (const json& rank : config.value("rank_pattern", json::object())) check(rank);
}

}  // namespace

bool Description::chooses(const char* key, const char* word, const char* default_word) const {
  const std::string chosen = text(key, default_word);
  if (chosen != word && chosen != default_word)
    fail("{}: \"{}\" is \"{}\": expected \"{}\" or \"{}\"", file.string(), key, chosen, default_word, word);
  return chosen == word;
}

Description describe_model(const Path& folder) {
  if (!is_model_folder(folder))
    fail(
        "{}: neither a model that loralens saved nor a PEFT adapter (no adapter_config.json) nor a classifier of "
        "transformers{}",
        folder.string(), adapter_below(folder));
  check_config(folder);
  return describe(folder);
}

AdapterOptions saved_options(const Path& folder, const Description& description) {
  const Path peft = folder / "adapter_config.json";
  if (fs::exists(peft)) {
    AdapterOptions options = read_peft_config(peft, description.text("method"));
    if (const Path file = peft_file(folder); fs::exists(file)) {
      const auto tensors = open_tensor_file(file);
      check_ranks(peft, *tensors);
      if (description.kind == FolderKind::peft)
        options.encoder_name = read_peft_names(tensors->names(), file.string()).encoder;
    }
    return options;
  }
  if (description.kind == FolderKind::classifier) {
    const json problem = description.config.value("problem_type", json());
    if (problem.is_string() && problem != "single_label_classification")
      fail("{}: \"problem_type\" is {}, but an emotion head chooses one class: its outputs are no probabilities of it",
           description.file.string(), problem.dump());
    return {.method = "full"};
  }
  AdapterOptions options{.method = description.text("method")};
  read_recorded_options(description.own.value("adapter", json::object()), description.file.string(), options);
  return options;
}

TensorSource open_source(const Path& folder, const Description& description, const AdapterOptions& options,
                         c10::ScalarType compute) {
  if (fs::exists(folder / "adapter_config.json"))
    return TensorSource::of_peft(open_tensor_file(peft_file(folder)), compute);
  if (description.kind == FolderKind::classifier) return {std::make_shared<const Checkpoint>(folder), compute};
  const bool full = method_named(options.method).encoder_training(options) == EncoderTraining::whole;
  return {open_tensor_file(folder / (full ? "model.safetensors" : "head.safetensors")), compute};
}

std::vector<std::string> class_names(const Description& description, const std::vector<std::string>& given,
                                     int64_t count) {
  std::vector<std::string> names = given;
  const auto id2label = description.config.find("id2label");
  const std::string folder = description.file.parent_path().string();
  if (names.empty() && id2label != description.config.end())
    names = named_in(*id2label, count, description.file.string());
  else if (names.empty())
    for (int64_t c = 0; c < count; ++c) names.push_back(std::to_string(c));
  if (std::ssize(names) != count) fail("{}: the head has {} classes, {} names were given", folder, count, names.size());
  std::set<std::string> seen;
  for (const std::string& name : names)
    if (name.empty() || !seen.insert(name).second)
      fail("{}: the class name {} is empty or occurs twice: give each class its own name", folder, quoted(name));
  return names;
}

bool is_model_folder(const Path& folder) {
  if (fs::exists(folder / "adapter_config.json")) return true;
  if (!fs::exists(folder / "config.json")) return false;
  const Description description = describe(folder);
  return !description.own.empty() || is_classifier(description.config);
}

bool is_classifier_folder(const Path& folder) {
  return is_model_folder(folder) && describe(folder).kind == FolderKind::classifier;
}

std::string adapter_below(const Path& folder) {
  std::error_code ignored;
  std::set<Path> adapters, models;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const Path& below = entry.path();
    if (fs::exists(below / "adapter_config.json", ignored)) adapters.insert(below);
    if (!fs::exists(below / "config.json", ignored)) continue;
    for (const char* weights : {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"})
      if (fs::exists(below / weights, ignored)) models.insert(below);
  }
  if (!adapters.empty()) return fmt::format("; {} is a PEFT adapter: give that folder", adapters.begin()->string());
  return models.empty() ? "" : fmt::format("; {} is a model: give that folder", models.begin()->string());
}

std::string base_name_of(const Path& folder) {
  if (const std::string base = describe(folder).text("base"); !base.empty()) return base;
  if (!fs::exists(folder / "adapter_config.json")) return "";
  const json config = read_json_object(folder / "adapter_config.json");
  const auto text = [&](const char* key) {
    const auto value = config.find(key);
    return value != config.end() && value->is_string() ? value->get<std::string>() : "";
  };
  const std::string name = text("base_model_name_or_path"), revision = text("revision");
  const bool of_hub = !revision.empty() && !name.empty() && !fs::exists(name);
  return of_hub && name.find('@') == std::string::npos ? name + "@" + revision : name;
}

SavedModel saved_model(const Path& folder) {
  const Description description = describe_model(folder);
  SavedModel saved{
      .options = saved_options(folder, description), .classes = {}, .bare = description.kind != FolderKind::own};
  if (description.kind == FolderKind::peft) return saved;
  const json id2label = description.config.value("id2label", json());
  saved.classes = named_in(id2label, std::ssize(id2label), description.file.string());
  saved.int8_base = has_int8_weights(description.config);
  return saved;
}

}  // namespace loralens
