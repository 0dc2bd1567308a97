// SPDX-License-Identifier: Apache-2.0
#include "study/start_adapter.h"

#include <algorithm>

#include "base/error.h"
#include "base/progress.h"
#include "results/run_folder.h"
#include "study/run_clips.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

// Whether a name has the form of a Hugging Face id, "openai/whisper-base", and is no folder.
bool is_repository(const std::string& name) {
  return std::ranges::count(name, '/') == 1 && name.front() != '/' && name.front() != '.' && !fs::exists(name);
}

// A PEFT adapter does not record a hash of its base model, and tiny and tiny.en have the same shapes.
void check_base_name(const Path& folder, const Base& base) {
  const std::string name = base_name_of(folder);
  if (name.empty() || name == base.name) return;
  if (is_repository(name) && is_repository(base.name))
    fail("--from {}: it is an adapter of the base model {}, and not of {}: give that one with --model", folder.string(),
         name, base.name);
  log_line(fmt::format("{} names the base model {}; {} is used", folder.string(), name, base.name));
}

}  // namespace

Path start_folder(const std::string& name) {
  Path given = name, final = given / "final";
  if (is_model_folder(given)) return given;
  if (!is_model_folder(final)) {
    if (is_model_folder(given / fold_name(0)))
      fail("--from {}: this run has several models and no final/: give one of them, such as {}", name,
           (given / fold_name(0)).string());
    fail("--from {}: neither a model that loralens saved nor a PEFT adapter (no adapter_config.json)", name);
  }
  if (training_folders(given).size() > 1)
    fail("--from {}: this run has several trainings: give a model of one of them, such as {}", name, final.string());
  return final;
}

std::shared_ptr<const TrainingStart> open_start(const Path& folder, const Base& base,
                                                const std::vector<std::string>& classes) {
  const SavedModel saved = saved_model(folder);
  if (saved.bare) check_base_name(folder, base);
  const bool keeps_head = !saved.bare && saved.classes == classes;
  const std::string name = folder.string();
  if (!keeps_head && method_named(saved.options.method).leaves_encoder())
    fail("--from {}: a frozen model has a head alone, of the classes {}: there is nothing to go on from for {}", name,
         fmt::join(saved.classes, " "), fmt::join(classes, " "));
  auto start = std::make_shared<TrainingStart>();
  start->folder = name;
  start->sha256 = sha256_of_model(folder);
  start->model = load_model(folder, base, {.classes = {}, .input = {}, .head = keeps_head});
  if (!start->model.read_out.is_null())
    fail("--from {}: its head was fitted by logistic regression, which has no initial values to go on from", name);
  start->record = trained_clips_of(folder);
  log_line(fmt::format(
      "starts from {}, {}", name,
      keeps_head   ? "with its head"
      : saved.bare ? "with a new head: a PEFT adapter does not name its classes"
                   : fmt::format("with a new head: its own has the classes {}", fmt::join(saved.classes, " "))));
  if (!start->record.complete)
    log_line(fmt::format("it is unknown which clips trained {}: if test clips are among them, their scores are no test",
                         name));
  return start;
}

}  // namespace loralens
