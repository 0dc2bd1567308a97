// SPDX-License-Identifier: Apache-2.0
// loralens evaluate: scores a trained run on its own test folds, or on other corpora.
#include <algorithm>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/shell.h"
#include "base/text.h"
#include "cli/clips.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/machine.h"
#include "cli/own_files.h"
#include "cli/reads.h"
#include "corpus/groups.h"
#include "inference/predict.h"
#include "results/compare.h"
#include "results/group_scores.h"
#include "results/results.h"
#include "results/run_folder.h"
#include "study/run_clips.h"

namespace loralens {
namespace {

struct EvaluateArguments {
  std::vector<std::string> corpora;
  std::vector<std::string> against;
  std::string run, labels, model, out, classes;
  InputOptions input;
  MachineOptions machine;
  bool json = false, force = false;
};

// Predictions of all clips by each model of the run. If the run has several trainings, the seeds of predictions
// distinguish a fold's models.
std::vector<Prediction> predict_all(const Path& run, const OpenedRun& loaded, const Clips& clips,
                                    const MachineOptions& machine) {
  const std::vector<int64_t> numbers = all_clips(clips);
  std::vector<Prediction> predictions;
  const auto& first = loaded.models.front();
  SourceOptions options;
  options.input = first.input;
  options.threads = thread_count(machine);
  int64_t first_layer = first.first_adapted_layer();
  for (const EmotionModel& model : loaded.models) first_layer = std::min(first_layer, model.first_adapted_layer());
  ClipSource source(loaded.base.encoder, clips.clips, first_layer, options);
  const auto folds = loaded.models.size() / training_folders(run).size();
  for (size_t m = 0; m < loaded.models.size(); ++m) {
    const EmotionModel& model = loaded.models[m];
    Progress progress(fmt::format("model {}/{}", m + 1, loaded.models.size()), std::ssize(numbers));
    const auto states = clip_states(model, source, numbers, [&](int64_t done) { progress.step(done); });
    const auto p = probabilities(model, states, names_of(source, numbers));
    const int64_t fold = fold_number(loaded.folders[m]).value_or(static_cast<int64_t>(m % folds));
    for (auto& one : predictions_of(clips, numbers, model.classes, p, fold, seed_of_model(loaded.folders[m])))
      predictions.push_back(std::move(one));
  }
  return predictions;
}

// Reads the scores and predictions on the run's own test parts, as written by training.
Scores own_scores(const Path& run) {
  if (const Path whole = run_of(run); whole != run && std::filesystem::exists(whole / "metrics.json"))
    fail(
        "{} is a part of a run: `loralens evaluate {}` prints its scores with those of the other folds; or give other "
        "clips with --corpus",
        run.string(), shell_word(whole.string()));
  if (!std::filesystem::exists(run / "metrics.json"))
    fail("{} is no finished run (no metrics.json): give a run, or a corpus with --corpus", run.string());
  return read_scores(run);
}

// Without --corpus no model is run: logs or rejects the flags that then have no effect.
void check_unused(const CLI::App& command) {
  const auto given = flags_given(command);
  for (const char* flag : {"--device", "--precision", "--threads"})
    if (given.contains(flag)) log_line(fmt::format("without effect without --corpus: {}", flag));
  for (const char* flag : {"--labels", "--model", "--classes", "--input", "--tail", "--profile"})
    if (given.contains(flag))
      throw UsageError(fmt::format(
          "{}: without --corpus no model is run, and the run's own scores are printed: leave the flag out, or give a "
          "table with --corpus",
          flag));
}

// The training corpora of the run or, if `folder` is one of its folds, of that fold's model; empty if the run's
// metrics.json does not name them.
nlohmann::json trained_on(const Path& run, const Path& folder) {
  const Path file = run / "metrics.json";
  if (!std::filesystem::exists(file)) return nlohmann::json::array();
  const nlohmann::json metrics = read_metrics(file);
  if (const auto number = fold_number(folder); number && run != folder)
    for (const nlohmann::json& fold : metrics.at("folds"))
      if (fold.at("fold") == *number && fold.contains("trained_on")) return fold.at("trained_on");
  return metrics.value("trained_on", metrics.value("corpus", nlohmann::json::array()));
}

// Metrics of the run's models on other corpora, with the fields that a report needs to compare runs.
nlohmann::json other_metrics(const EvaluateArguments& a, const OpenedRun& loaded, const Clips& clips,
                             const std::vector<Prediction>& predictions) {
  constexpr uint64_t seed = 42;  // of the labels simulated for a calibrated model
  const EmotionModel& model = loaded.models.front();
  const Path run = run_of(a.run);
  nlohmann::json metrics = metrics_of(predictions, model.classes, /*ddof=*/1, seed);
  metrics["groups"] = group_scores(predictions, model.classes, clips);
  std::set<std::string> corpora;
  for (const Clip& clip : clips.clips) corpora.insert(clip.corpus);
  metrics["corpus"] = metrics["tested_on"] = corpora;
  metrics["trained_on"] = trained_on(run, a.run);
  metrics["run"] = std::filesystem::weakly_canonical(a.run).string();
  metrics["method"] = model.options.method;
  metrics["base"] = model.base;
  const SeenInTraining seen = seen_in_training(a.run, clips, thread_count(a.machine));
  metrics["trained_clips"] = seen.clips ? nlohmann::json(*seen.clips) : nlohmann::json();
  if (seen.speakers > 0) metrics["trained_speakers"] = seen.speakers;
  if (seen.clips.value_or(0) > 0)
    log_line(fmt::format(
        "the run was trained on {} of these {} clips, so these are not test scores{}", *seen.clips, clips.clips.size(),
        std::filesystem::exists(run / "metrics.json")
            ? fmt::format("; `loralens evaluate {}` gives the scores on its own test folds", shell_word(run.string()))
            : ""));
  if (const auto unknown = std::ranges::count(clips.clips, "", &Clip::speaker); unknown > 0)
    log_line(
        fmt::format("{} of these {} clips have no speaker: each counts as a speaker of its own, so that intervals "
                    "leave out part of the variation between speakers",
                    unknown, clips.clips.size()));
  return metrics;
}

// Error if the trainings of a run cannot be told apart by their seeds, which predictions.csv records.
void check_seeds(const std::string& run, const std::vector<Prediction>& predictions) {
  const auto trainings = training_folders(run).size(), seeds = seeds_of(predictions).size();
  if (trainings == 1) return;
  if (seeds == trainings && std::ranges::all_of(predictions, [](const Prediction& p) { return p.seed.has_value(); }))
    return;
  fail("{} has {} trainings, and its config.toml does not record the seed of the first: copy the whole run", run,
       trainings);
}

// UsageError if --against names the run itself, or another run twice.
void check_others(const EvaluateArguments& a) {
  const Path run = std::filesystem::weakly_canonical(a.run);
  std::set<Path> folders;
  for (const std::string& other : a.against) {
    const Path folder = std::filesystem::weakly_canonical(other);
    if (folder == run) throw UsageError(fmt::format("--against {}: this is the run itself: give another run", other));
    if (!folders.insert(folder).second) throw UsageError(fmt::format("--against {}: this run is given twice", other));
  }
}

// Compares the run with the others, which must have the same test clips; adds "comparisons" to its metrics. Returns the
// text to print.
std::string compare(const EvaluateArguments& a, nlohmann::json& metrics) {
  std::vector<nlohmann::json> comparisons;
  for (const std::string& other : a.against) {
    auto found = difference_of_runs(a.run, other, metrics.at("classes"));
    if (found.is_null())
      fail("--against {}: its classes, folds, test clips and number of trainings must be those of {}", other, a.run);
    found["against"] = std::filesystem::weakly_canonical(other).string();
    comparisons.push_back(std::move(found));
  }
  adjust(comparisons);
  std::string text;
  for (size_t i = 0; i < comparisons.size(); ++i)
    text +=
        fmt::format("\ndifference from {}\n{}", a.against[i], describe_comparison(comparisons[i], comparisons.size()));
  if (!comparisons.empty()) metrics["comparisons"] = comparisons;
  return text;
}

void evaluate(const CLI::App& command, const EvaluateArguments& a) {
  if (!a.against.empty() && !a.corpora.empty())
    throw UsageError(
        "--against compares the scores of runs or evaluations that exist: evaluate both on the corpus with -o, "
        "then compare the two folders");
  check_others(a);
  std::optional<OutputFolder> out;
  if (!a.out.empty() && a.force) check_inputs_stay(a.out, paths_of_flags(command));
  if (!a.out.empty()) out.emplace(a.out, a.force, complaint_about_folder);
  nlohmann::json metrics;
  std::string predictions, differences;
  if (a.corpora.empty()) {
    check_unused(command);
    const Scores own = own_scores(a.run);
    metrics = own.metrics;
    predictions = format_predictions(own.predictions, metrics.at("classes"));
    differences = compare(a, metrics);
  } else {
    const OpenedRun loaded = open_run_of(command, {a.run, a.model, split(a.classes), a.input}, a.machine);
    const auto& classes = loaded.models.front().classes;
    const Clips clips = clips_of_classes(a.corpora, a.labels, classes);
    if (out) check_inputs_stay(a.out, paths_of(clips, loaded.base.name));
    const auto made = predict_all(a.run, loaded, clips, a.machine);
    check_seeds(a.run, made);
    metrics = other_metrics(a, loaded, clips, made);
    predictions = format_predictions(made, classes);
  }
  if (out) {
    write_file(out->path() / "predictions.csv", predictions);
    write_file(out->path() / "metrics.json", metrics.dump(2) + "\n");
    out->commit();
  }
  fmt::print("{}", a.json ? metrics.dump(2) + "\n" : describe_metrics(metrics) + differences);
}

}  // namespace

void add_evaluate(CLI::App& app) {
  auto a = std::make_shared<EvaluateArguments>();
  auto* command = app.add_subcommand(
      "evaluate",
      "Scores a trained run on its own test folds, or all its folds' models on other corpora, whose\n"
      "classes are matched by name. `loralens report` makes a table of training and test corpora of\n"
      "runs and evaluations.\n\n"
      "Examples:\n  loralens evaluate run\n  loralens evaluate run --corpus other.csv --labels four -o run-on-other\n"
      "  loralens evaluate run --against frozen");
  command->option_defaults()->always_capture_default();
  command->add_option("run", a->run, "a run of `loralens train`, one of its folds, or a PEFT folder")->required();
  add_corpus_option(*command, a->corpora, "table of clips to score instead; may be given several times");
  command->add_option("--against", a->against,
                      "compare with this run or evaluation of the same clips; may be given several times");
  command->add_option("--labels", a->labels, "map of the corpus's labels: four, seven, or a list such as ang=anger");
  command->add_option("--model", a->model, "base model, if the run names none");
  command->add_option("--classes", a->classes, "class names of a bare PEFT folder, in order");
  command->add_option("-o,--output", a->out, "folder for predictions.csv and metrics.json");
  command->add_flag("--json", a->json, "print metrics.json instead of a table");
  command->add_flag("--force", a->force, "replace the output folder if loralens wrote it");
  add_input_options(*command, a->input);
  add_machine_options(*command, a->machine, /*gradients=*/false);
  add_config_option(*command);
  command->callback([a, command] {
    apply_config(*command);
    evaluate(*command, *a);
  });
}

}  // namespace loralens
