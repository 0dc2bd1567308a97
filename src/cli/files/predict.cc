// SPDX-License-Identifier: Apache-2.0
// loralens predict: predicts the emotion of audio files; prints one JSON line per file, or writes them to a file.
#include <optional>

#include "base/error.h"
#include "base/progress.h"
#include "base/text.h"
#include "cli/clips.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/files/predictions_file.h"
#include "cli/machine.h"
#include "inference/predict_files.h"
#include "inference/windows.h"

namespace loralens {
namespace {

struct PredictArguments {
  std::string run, model, classes, output, shard;
  std::vector<std::string> files;
  InputOptions input;
  MachineOptions machine;
};

// Files longer than a window of the model (30 s in published ones).
class LongFiles {
 public:
  void add(const FilePrediction& file) {
    if (count_++ == 0) first_ = file;
  }
  // Logs how they were predicted. window: in seconds.
  void tell(double window, bool cut) const {
    if (count_ == 0) return;
    log_line(fmt::format("{} ({:.1f} s){}: {}", first_.path, first_.seconds,
                         count_ > 1 ? fmt::format(" and {} more are longer than {} s", count_ - 1, window)
                                    : fmt::format(" is longer than {} s", window),
                         cut ? fmt::format("only the first {} s were used, as in training", window)
                             : fmt::format("the prediction pools all windows of {} s", window)));
  }

 private:
  FilePrediction first_;
  int64_t count_ = 0;
};

void predict(const CLI::App& command, const PredictArguments& a) {
  PathSource paths = shard_of(audio_paths(a.files), a.shard);
  const OpenedRun run = open_run_of(
      command, {.run = a.run, .model = a.model, .classes = split(a.classes), .bare_input = a.input, .folds = false},
      a.machine);
  const auto& classes = run.models.front().classes;
  std::optional<PredictionsFile> file_of_all;
  PredictionsFile::Written before;
  if (!a.output.empty()) {
    before = file_of_all.emplace(a.output, classes, fingerprint_of(run.models)).skip_written(paths);
    if (before.files > 0) log_line(fmt::format("{} has {} files: going on after them", a.output, before.files));
  }
  const double window = static_cast<double>(window_samples(run.base.encoder.config)) / sample_rate;
  int64_t failed = before.errors, all = before.files;
  LongFiles long_files;
  Pace pace;
  predict_files(run.models, std::move(paths), thread_count(a.machine), [&](const FilePrediction& file) {
    ++all;
    failed += file.error.empty() ? 0 : 1;
    if (file.seconds > window) long_files.add(file);
    if (!file_of_all) return print_file(file, values_of(file, classes));
    file_of_all->write(file);
    pace.count();
  });
  long_files.tell(window, run.models.front().input.cut);
  if (failed > 0) fail("{} of {} files could not be read: \"error\" in their lines says why", failed, all);
}

}  // namespace

void add_predict(CLI::App& app) {
  auto a = std::make_shared<PredictArguments>();
  auto* command = app.add_subcommand(
      "predict",
      "Prints a JSON line per audio file: label, probabilities, length. Uses the run's final model if it has\n"
      "one, else the mean of its folds' probabilities. A file that cannot be read gets an \"error\" and the exit\n"
      "status is 1; the other files are still predicted. An interrupted `predict -o FILE` that is given again goes\n"
      "on after what FILE has.\n\n"
      "Examples:\n"
      "  loralens predict run a.wav b.flac\n"
      "  find . -name '*.wav' | loralens predict run -\n"
      "  loralens predict run - -o part-2.csv --shard 2/8 < paths.txt");
  command->option_defaults()->always_capture_default();
  command->add_option("run", a->run, "a run of `loralens train`, one of its folds, or a PEFT folder")->required();
  command->add_option("files", a->files, "audio files; - reads paths from standard input")->required();
  command->add_option("-o,--output", a->output, "file for the lines, .jsonl or .csv, instead of standard output")
      ->default_str("");
  add_shard_option(*command, a->shard);
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
