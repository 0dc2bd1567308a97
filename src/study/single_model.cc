// SPDX-License-Identifier: Apache-2.0
#include "study/single_model.h"

#include <algorithm>

#include "base/error.h"
#include "base/progress.h"
#include "hub/hub.h"
#include "results/run_folder.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

// Whether a name has the form of a Hugging Face id, "openai/whisper-base", and is no folder.
bool is_repository(const std::string& name) {
  return std::ranges::count(name, '/') == 1 && name.front() != '/' && name.front() != '.' && !fs::exists(name);
}

}  // namespace

Path single_model(const std::string& flag, const std::string& name) {
  Path given = name, final = given / "final";
  if (is_model_folder(given)) return given;
  if (!is_model_folder(final)) {
    if (is_model_folder(given / fold_name(0)))
      fail("{} {}: this run has several models and no final/: give one of them, such as {}", flag, name,
           (given / fold_name(0)).string());
    fail("{} {}: neither a model that loralens saved nor a PEFT adapter (no adapter_config.json){}", flag, name,
         adapter_below(given));
  }
  if (training_folders(given).size() > 1)
    fail("{} {}: this run has several trainings: give a model of one of them, such as {}", flag, name, final.string());
  return final;
}

void check_base_name(const std::string& flag, const Path& folder, const Base& base) {
  const std::string name = base_name_of(folder);
  if (name.empty() || without_revision(name) == without_revision(base.name)) return;
  if (is_repository(name) && is_repository(base.name))
    fail("{} {}: it is an adapter of the base model {}, and not of {}: give that one", flag, folder.string(), name,
         base.name);
  log_line(fmt::format("{} names the base model {}; {} is used", folder.string(), name, base.name));
}

}  // namespace loralens
