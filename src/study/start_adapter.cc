// SPDX-License-Identifier: Apache-2.0
#include "study/start_adapter.h"

#include "base/error.h"
#include "base/progress.h"
#include "study/run_clips.h"
#include "study/single_model.h"

namespace loralens {

std::shared_ptr<const TrainingStart> open_start(const Path& folder, const Base& base,
                                                const std::vector<std::string>& classes) {
  const SavedModel saved = saved_model(folder);
  if (saved.bare) check_base_name("--from", folder, base);
  const bool keeps_head = saved.classes == classes;
  const std::string name = folder.string();
  if (!keeps_head && method_named(saved.options.method).leaves_encoder())
    fail("--from {}: a frozen model has a head alone, of the classes {}: there is nothing to go on from for {}", name,
         fmt::join(saved.classes, " "), fmt::join(classes, " "));
  auto start = std::make_shared<TrainingStart>();
  start->folder = name;
  start->sha256 = sha256_of_model(folder);
  start->model =
      load_model(folder, base, {.classes = {}, .input = {}, .head = keeps_head ? HeadUse::needed : HeadUse::none});
  if (saved.options.biases != TrainedBiases::none)
    fail(
        "--from {}: biases were trained beside it (\"bias\" in adapter_config.json), which loralens does not train on: "
        "save it in Python with \"bias\" \"none\"",
        name);
  if (!start->model.read_out.is_null())
    fail("--from {}: its head was fitted by logistic regression, which has no initial values to go on from", name);
  start->record = trained_clips_of(folder);
  log_line(fmt::format("starts from {}, {}", name,
                       keeps_head              ? "with its head"
                       : saved.classes.empty() ? "with a new head: a PEFT adapter does not name its classes"
                                               : fmt::format("with a new head: its own has the classes {}",
                                                             fmt::join(saved.classes, " "))));
  if (!start->record.complete)
    log_line(fmt::format("it is unknown which clips trained {}: if test clips are among them, their scores are no test",
                         name));
  return start;
}

}  // namespace loralens
