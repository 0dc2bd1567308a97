// SPDX-License-Identifier: Apache-2.0
// loralens predict: predicts the emotion of audio files; prints one JSON line per file.
#include <algorithm>

#include "base/error.h"
#include "base/progress.h"
#include "base/text.h"
#include "cli/clips.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/machine.h"
#include "inference/predict_files.h"
#include "inference/windows.h"

namespace loralens {
namespace {

struct PredictArguments {
  std::string run, model, classes;
  std::vector<std::string> files;
  InputOptions input;
  MachineOptions machine;
};

void print(const FilePrediction& file, const std::vector<std::string>& classes) {
  nlohmann::ordered_json values;
  if (file.error.empty()) {
    const auto best =
        std::max_element(file.probabilities.begin(), file.probabilities.end()) - file.probabilities.begin();
    values["label"] = classes[best];
    for (size_t c = 0; c < classes.size(); ++c) values["probabilities"][classes[c]] = file.probabilities[c];
    values["seconds"] = file.seconds;
  }
  print_file(file, values);
}

// Logs how files longer than a window of the model (30 s in published ones) were predicted. window: in seconds.
void tell_of(const std::vector<FilePrediction>& long_files, double window, bool cut) {
  if (long_files.empty()) return;
  const size_t more = long_files.size() - 1;
  log_line(fmt::format("{} ({:.1f} s){}: {}", long_files[0].path, long_files[0].seconds,
                       more ? fmt::format(" and {} more are longer than {} s", more, window)
                            : fmt::format(" is longer than {} s", window),
                       cut ? fmt::format("only the first {} s were used, as in training", window)
                           : fmt::format("the prediction pools all windows of {} s", window)));
}

void predict(const CLI::App& command, const PredictArguments& a) {
  const OpenedRun run = open_run_of(
      command, {.run = a.run, .model = a.model, .classes = split(a.classes), .bare_input = a.input, .folds = false},
      a.machine);
  const auto paths = audio_paths(a.files);
  const double window = static_cast<double>(window_samples(run.base.encoder.config)) / sample_rate;
  size_t failed = 0;
  std::vector<FilePrediction> long_files;
  predict_files(run.models, paths, thread_count(a.machine), [&](const FilePrediction& file) {
    failed += !file.error.empty();
    if (file.seconds > window) long_files.push_back(file);
    print(file, run.models.front().classes);
  });
  tell_of(long_files, window, run.models.front().input.cut);
  if (failed > 0) fail("{} of {} files could not be read: \"error\" in their lines says why", failed, paths.size());
}

}  // namespace

void add_predict(CLI::App& app) {
  auto a = std::make_shared<PredictArguments>();
  auto* command = app.add_subcommand(
      "predict",
      "Prints a JSON line per audio file: label, probabilities, length. Uses the run's final model if it has\n"
      "one, else the mean of its folds' probabilities. A file that cannot be read gets an \"error\" and the exit\n"
      "status is 1; the other files are still predicted.\n\n"
      "Examples:\n"
      "  loralens predict run a.wav b.flac\n"
      "  find . -name '*.wav' | loralens predict run -");
  command->option_defaults()->always_capture_default();
  command->add_option("run", a->run, "a run of `loralens train`, one of its folds, or a PEFT folder")->required();
  command->add_option("files", a->files, "audio files; - reads paths from standard input")->required();
  command->add_option("--model", a->model, "base model, if the run names none");
  command->add_option("--classes", a->classes, "class names of a bare PEFT folder, in order");
  add_input_options(*command, a->input);
  add_machine_options(*command, a->machine, /*gradients=*/false);
  add_config_option(*command);
  command->callback([a, command] {
    apply_config(*command);
    predict(*command, *a);
  });
}

}  // namespace loralens
