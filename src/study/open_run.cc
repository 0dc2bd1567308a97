// SPDX-License-Identifier: Apache-2.0
#include "study/open_run.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/formats/json.h"
#include "base/formats/toml.h"
#include "base/profile.h"
#include "base/progress.h"
#include "checkpoint/torch_import.h"
#include "hub/hub.h"
#include "results/run_folder.h"

namespace loralens {
namespace {

// The values of --final in a run's config.toml, else in its inputs.json; nullopt if both files are missing.
std::optional<std::vector<std::string>> recorded_final(const Path& run) {
  if (std::filesystem::exists(run / "config.toml")) return recorded_flag(run, "final");
  const Path file = run / "inputs.json";
  if (!std::filesystem::exists(file)) return std::nullopt;
  const nlohmann::json inputs = read_json_object(file);
  return std::vector{JsonObject(JsonObject(inputs, file.string()).at("flags"), file.string()).text("final", "false")};
}

// Error if a run that was trained with --final has no final model; the mean of its folds would replace it silently.
void refuse_lost_final(const Path& run) {
  if (is_model_folder(run)) return;  // one fold
  const auto final = recorded_final(run);
  if (!final) {
    log_line(
        fmt::format("{} has no config.toml, so it is unknown whether its final model is missing: the mean of its "
                    "folds is used",
                    run.string()));
    return;
  }
  if (final->empty() || *final == std::vector<std::string>{"false"}) return;
  std::vector<std::string> missing;
  for (const char* file : {"config.toml", "folds.csv"})
    if (!std::filesystem::exists(run / file)) missing.emplace_back(file);
  missing.emplace_back(std::filesystem::exists(run / "final") ? "model in final/" : "final/");
  fail("{} has no {}, although it was trained with --final: copy the whole run, or train it again", run.string(),
       fmt::join(missing, ", no "));
}

// Renames the models' classes as --classes says. UsageError unless it gives one distinct name for each class.
void rename_classes(std::vector<EmotionModel>& models, const std::vector<std::string>& names, const Path& run) {
  const std::vector<std::string> own = models.front().classes;
  if (names.empty() || names == own || !models.front().no_head.empty()) return;
  if (names.size() != own.size() || std::set(names.begin(), names.end()).size() != names.size())
    throw UsageError(fmt::format("--classes {}: {} has {} classes ({}), and each needs a name of its own",
                                 fmt::join(names, ","), run.string(), own.size(), fmt::join(own, ",")));
  log_line(fmt::format("the classes {} of {} are called {}, as --classes says", fmt::join(own, ","), run.string(),
                       fmt::join(names, ",")));
  for (EmotionModel& model : models) model.classes = names;
}

// Whether the tables of clips that a run's config.toml names still exist.
bool tables_are_there(const Path& run) {
  return std::ranges::all_of(recorded_flag(run, "corpus"),
                             [](const auto& table) { return std::filesystem::exists(table); });
}

// Finds the folder of a base model and loads it: load(folder, name).
Base found_base(const std::string& model, const std::function<Base(const Path&, const std::string&)>& load) {
  if (model.find('\0') != std::string::npos) fail("the base model's name {} holds a zero byte", quoted(model));
  refuse_model_file(model);
  const Path folder = resolve_model(model);
  const std::string name = std::filesystem::exists(Path(model) / "config.json")
                               ? std::filesystem::absolute(model).lexically_normal().string()
                               : repository_of(model);
  const Timed time(Phase::load);
  try {
    return load(folder, name);
  } catch (const Error& error) {
    if (folder == Path(model)) throw;
    fail("{}; if the file is damaged, 'loralens fetch {} --force' fetches it again", error.what(), model);
  }
}

}  // namespace

Base open_base(const std::string& model, const Compute& compute) {
  return found_base(model, [&](const Path& folder, const std::string& name) {
    return load_base(folder, name, compute.precision, compute.device);
  });
}

Base open_int8_base(const std::string& model, const Compute& compute, Int8Weights weights) {
  return found_base(model, [&](const Path& folder, const std::string& name) {
    return load_int8_base(folder, name, compute.precision, compute.device, weights);
  });
}

Base open_base_of(const Path& folder, const std::string& model, const Compute& compute) {
  const Path config = folder / "config.json";
  if (!std::filesystem::exists(config) || !has_int8_weights(read_json_object(config))) return open_base(model, compute);
  return open_int8_base(model, compute, Int8Weights::rounded);
}

OpenedRun open_run(const RunRequest& request, const Compute& compute) {
  const Path& run = request.run;
  if (!std::filesystem::exists(run))
    fail("{} does not exist: give a run that `loralens train` wrote, or a PEFT folder", run.string());
  std::vector<Path> folders;
  if (!request.folds && is_model_folder(run / "final")) {
    for (const Path& training : training_folders(run)) folders.push_back(training / "final");
  } else {
    folders = model_folders(run);
    if (!request.folds) refuse_lost_final(run);
  }
  const std::string own = base_name_of(folders[0]);
  std::string name = request.model.empty() ? own : request.model;
  const bool base_unknown = name.empty() && is_classifier_folder(folders[0]);
  if (base_unknown) name = folders[0].string();
  if (name.empty()) fail("{} does not name its base model: give it with --model", run.string());
  if (request.model.empty() && Path(name).is_absolute() && !std::filesystem::exists(Path(name) / "config.json"))
    fail("{}: its base model {} is not there any more: name its folder where it is now with --model{}", run.string(),
         name, tables_are_there(run_of(run)) ? "" : ", and for evaluate and analyze its table of clips with --corpus");
  OpenedRun opened{open_base_of(folders[0], name, compute), {}, folders, base_unknown};
  const Timed time(Phase::load);
  for (const Path& folder : folders)
    opened.models.push_back(load_model(folder, opened.base, {request.classes, request.bare_input, request.head}));
  check_alike(opened.models, folders);
  if (!own.empty() && own != opened.base.name)
    log_line(
        fmt::format("{} names the base model {}; {} is used, as --model says", run.string(), own, opened.base.name));
  rename_classes(opened.models, request.classes, run);
  return opened;
}

Path run_of(const Path& folder) {
  if (std::filesystem::exists(folder / "folds.csv")) return folder;
  const Path canonical = std::filesystem::weakly_canonical(folder);
  Path above = canonical.parent_path();
  if (!is_model_folder(folder))
    return training_seed(canonical) && std::filesystem::exists(above / "folds.csv") ? above : folder;
  if (!fold_number(folder) && canonical.filename() != "final") return folder;
  if (training_seed(above)) above = above.parent_path();
  for (const char* file : {"folds.csv", "recordings.csv", "config.toml"})
    if (std::filesystem::exists(above / file)) return above;
  return folder;
}

std::optional<uint64_t> seed_of_model(const Path& folder) {
  if (const auto seed = training_seed(std::filesystem::weakly_canonical(folder).parent_path())) return seed;
  const Path run = run_of(folder);
  const std::string text = recorded_value(run, "seed");
  if (text.empty()) return std::nullopt;
  const auto seed = parse_number<uint64_t>(text);
  if (!seed) fail("{}: the seed '{}' is no whole number", (run / "config.toml").string(), text);
  return seed;
}

std::string recorded_value(const Path& run, const std::string& flag) {
  const auto values = recorded_flag(run, flag);
  if (values.size() > 1)
    fail("{}: '{}' has {} values: expected one", (run / "config.toml").string(), flag, values.size());
  return values.empty() ? "" : values.front();
}

std::vector<std::string> recorded_flag(const Path& run, const std::string& flag) {
  const Path config = run / "config.toml";
  if (!std::filesystem::exists(config)) return {};
  return values_of(read_flags(config), flag, config.string());
}

}  // namespace loralens
