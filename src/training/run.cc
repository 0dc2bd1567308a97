// SPDX-License-Identifier: Apache-2.0
#include "training/run.h"
#include "results/run_folder.h"

#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/progress.h"
#include "base/random.h"
#include "checkpoint/safetensors.h"
#include "corpus/groups.h"
#include "corpus/soft_labels.h"
#include "inference/predict.h"
#include "results/group_scores.h"
#include "results/results.h"
#include "training/card/model_card.h"
#include "training/fold.h"
#include "training/objective/auxiliary_head.h"
#include "training/processes/shared.h"
#include "training/read_out.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

std::set<std::string> corpora_of(const Clips& clips, const std::vector<int64_t>& numbers) {
  std::set<std::string> corpora;
  for (const int64_t number : numbers) corpora.insert(clips.clips[number].corpus);
  return corpora;
}

// For each clip, the index of its corpus in the sorted names of corpora.
std::vector<int64_t> corpus_numbers(const Clips& clips) {
  const auto names = corpora_of(clips, all_clips(clips));
  std::vector<int64_t> numbers;
  for (const Clip& clip : clips.clips) numbers.push_back(std::distance(names.begin(), names.find(clip.corpus)));
  return numbers;
}

// Adds the names of the training and test corpora of the run and of each fold, which differ with --folds corpus. The
// corpora of `start`, the adapter from which the run started (null: none), count as training corpora.
void add_corpora(nlohmann::json& metrics, const Clips& clips, const std::vector<Fold>& folds,
                 const TrainingStart* start) {
  std::set<std::string> trained, tested, before;
  for (const TrainedClip& clip : start ? start->record.clips : std::vector<TrainedClip>()) before.insert(clip.corpus);
  for (nlohmann::json& row : metrics["folds"]) {
    const Fold& fold = folds[row.at("fold").get<size_t>()];
    auto train = corpora_of(clips, fold.train);
    const auto test = corpora_of(clips, fold.test);
    train.insert(before.begin(), before.end());
    row["trained_on"] = train;
    row["tested_on"] = test;
    trained.insert(train.begin(), train.end());
    tested.insert(test.begin(), test.end());
  }
  metrics["trained_on"] = trained;
  metrics["tested_on"] = tested;
  metrics["corpus"] = corpora_of(clips, all_clips(clips));
}

// Target probabilities of all clips, n×C; undefined without soft labels.
at::Tensor target_probabilities(const Base& base, const Clips& clips, const std::vector<std::string>& classes,
                                const std::string& columns) {
  if (columns.empty()) return {};
  std::vector<at::Tensor> rows;
  for (const auto& row : soft_labels(clips, classes, parse_vote_columns(columns))) rows.push_back(at::tensor(row));
  return at::stack(rows).to(base.encoder.norm.weight.options());
}

// Adds the adapter from which the run started, and how many of the run's test clips and of their speakers trained it.
void add_start(nlohmann::json& metrics, const RunOptions& options) {
  const TrainingStart& start = *options.start;
  metrics["from"] = {{"folder", start.folder}, {"sha256", start.sha256}};
  if (options.test_clips_of_start > 0)
    metrics["trained_clips"] = options.test_clips_of_start;
  else if (!start.record.complete)
    metrics["trained_clips"] = nullptr;
  if (options.test_speakers_of_start > 0) metrics["trained_speakers"] = options.test_speakers_of_start;
}

class CrossValidation {
 public:
  CrossValidation(const Base& base, const Clips& clips, const RunOptions& options, const Path& folder)
      : base_(base),
        clips_(clips),
        options_(options),
        folder_(folder),
        classes_(classes_of(clips)),
        labels_(class_numbers(clips, classes_)),
        corpora_(corpus_numbers(clips)),
        targets_(target_probabilities(base, clips, classes_, options.train.soft_labels)),
        frozen_(method_named(options.adapter.method).leaves_encoder() &&
                (options.head.logistic || !options.train.augment.active())),
        source_(base.encoder, clips.clips, first_layer(), source_options()) {}

  // number: of the fold; count: number of folds.
  std::vector<Prediction> fold(const Fold& fold, int64_t number, int64_t count, uint64_t seed) {
    const Training training = training_of({number, seed}, count);
    if (fs::exists(training.folder)) {
      log_line(fmt::format("{}: already trained", training.title));
      return done_before(training.folder, fold, number, seed);
    }
    call_helpers({number, seed});
    const EmotionModel model = train(fold, training, options_.train.selection);
    const at::Tensor states = frozen_ ? rows_of(start_states_, fold.test) : clip_states(model, source_, fold.test);
    const auto p = probabilities(model, states, names_of(source_, fold.test));
    const auto predictions = predictions_of(clips_, fold.test, classes_, p, number, seed);
    write_file(training.partial() / "predictions.csv", format_predictions(predictions, classes_));
    training.finish();
    const auto metrics = metrics_of(predictions, classes_, 1, options_.train.seed);
    log_line(fmt::format("{}: test UAR {:.3f}  WAR {:.3f}", training.title, metrics["uar"]["mean"].get<double>(),
                         metrics["war"]["mean"].get<double>()));
    return predictions;
  }

  // Trains on all clips. No clips remain for the choice of an epoch, so the last one is kept.
  void final_model(uint64_t seed) {
    const Training training = training_of({{}, seed}, 0);
    if (fs::exists(training.folder)) {
      check_model(training.folder);
      return;
    }
    call_helpers({{}, seed});
    train({.train = all_clips(clips_)}, training, Selection::last);
    training.finish();
  }

  // Takes part in the trainings of process 0 until dismiss_helpers().
  void help(const std::vector<Fold>& folds) {
    for (std::string call; !(call = options_.processes->text_of_first("")).empty();) {
      const size_t space = call.find(' ');
      const TrainingPart part{parse_part_fold(call.substr(0, space)), std::stoull(call.substr(space))};
      if (part.fold)
        train(folds.at(*part.fold), training_of(part, std::ssize(folds)), options_.train.selection);
      else
        train({.train = all_clips(clips_)}, training_of(part, 0), Selection::last);
    }
  }

  const std::vector<std::string>& classes() const { return classes_; }

  // The number of trained elements of one model, in the head and elsewhere.
  nlohmann::json trained_parameters() const {
    int64_t head = 0, encoder = 0;
    for (const Parameter& p : new_model(options_.train.seed).parameters())
      if (p.trained) (p.in_head() ? head : encoder) += p.tensor.numel();
    return {{"encoder", encoder}, {"head", head}};
  }

 private:
  // One training, in the folder <folder>.partial, which finish() renames to <folder>.
  struct Training {
    Path folder;
    std::string title;  // for log lines
    uint64_t seed;  // of its initial values, order and dropout

    Path partial() const { return folder.string() + ".partial"; }
    void finish() const {
      fs::remove(partial() / "checkpoint.safetensors");
      fs::rename(partial(), folder);
    }
  };

  // folds: number of folds of the run.
  Training training_of(const TrainingPart& part, int64_t folds) const {
    const Path folder = folder_of(part.seed);
    if (!part.fold) return {.folder = folder / "final", .title = title_of("final model", part.seed), .seed = part.seed};
    const int64_t number = *part.fold;
    return {.folder = folder / fold_name(number),
            .title = title_of(fmt::format("fold {}/{}", number + 1, folds), part.seed),
            .seed = options_.same_start ? part.seed : hash_of(part.seed, hash_of("fold"), number)};
  }

  // Lets the other processes take part in this training.
  void call_helpers(const TrainingPart& part) {
    options_.processes->text_of_first(
        fmt::format("{} {}", part.fold ? std::to_string(*part.fold) : "final", part.seed));
  }

  Path folder_of(uint64_t seed) const { return training_folder(folder_, options_.train.seed, seed); }
  std::string title_of(const std::string& name, uint64_t seed) const {
    return options_.seeds > 1 ? fmt::format("seed {}, {}", seed, name) : name;
  }

  // Resume: the predictions of a fold that is already finished. Error unless its model fits this run, and the
  // predictions are those of the fold's test clips.
  std::vector<Prediction> done_before(const Path& done, const Fold& fold, int64_t number, uint64_t seed) const {
    check_model(done);
    const Path csv = done / "predictions.csv";
    auto predictions = read_predictions(csv, classes_);
    const auto refuse = [&](const std::string& id) {
      fail("{}: '{}' does not match the test clips of fold {}: delete {} to train the fold again", csv.string(), id,
           number, done.string());
    };
    for (size_t i = 0; i < predictions.size(); ++i) {
      const Prediction& p = predictions[i];
      if (i >= fold.test.size()) refuse(p.id);
      const Clip& clip = clips_.clips[fold.test[i]];
      if (p.id != clip.id || p.label != clip.label || p.speaker != clip.speaker || p.fold != number || p.seed != seed)
        refuse(p.id);
    }
    if (predictions.size() < fold.test.size()) refuse(clips_.clips[fold.test[predictions.size()]].id);
    return predictions;
  }

  void check_model(const Path& folder) const {
    check_alike({new_model(options_.train.seed), load_model(folder, base_)}, {folder_, folder});
  }

  EmotionModel new_model(uint64_t seed) const {
    const RunOptions& o = options_;
    EmotionModel model = o.start ? continued_model(base_, o.start->model, o.adapter, o.head, classes_, seed)
                                 : make_model(base_, o.adapter, o.head, classes_, seed);
    model.input = options_.source.input;
    return model;
  }

  // The layer whose input the source caches. Error if --specialize does not fit the model.
  int64_t first_layer() const {
    const auto specialization = parse_specialization(options_.train.specialize);
    if (frozen_ && !specialization) return 0;
    const EmotionModel model = new_model(options_.train.seed);
    if (specialization) check_specialization(*specialization, model);
    return model.first_adapted_layer();
  }

  // With a frozen encoder each clip passes once, so there is nothing to cache.
  SourceOptions source_options() const {
    SourceOptions source = options_.source;
    if (frozen_) source.cache_bytes = 0;
    return source;
  }

  static at::Tensor rows_of(const at::Tensor& states, const std::vector<int64_t>& numbers) {
    std::vector<at::Tensor> rows;
    for (const int64_t number : numbers) rows.push_back(states[number]);
    return at::stack(rows);
  }

  EmotionModel train(const Fold& fold, const Training& training, Selection selection) {
    TrainOptions options = options_.train;
    options.seed = training.seed;
    options.selection = selection;
    EmotionModel model = new_model(training.seed);
    if ((frozen_ || options.head_epochs > 0) && !start_states_.defined()) encode_once(model);
    const Path partial = training.partial();
    // A frozen encoder's fold trains in about a second: without checkpoints, and in process 0 alone.
    FoldTask task{.fold = fold,
                  .labels = labels_,
                  .options = options,
                  .start_states = start_states_,
                  .frozen = frozen_,
                  .checkpoint = frozen_ || !leads() ? Path() : partial / "checkpoint.safetensors",
                  .watch = partial / "watch.csv",
                  .targets = targets_,
                  .corpora = corpora_,
                  .processes = frozen_ ? one_process() : *options_.processes};
    if (!leads()) {
      if (!frozen_) train_fold(model, source_, task);
      return model;
    }
    fs::create_directories(partial);
    write_start(model, partial);
    std::optional<Progress> progress;
    task.progress = [&](const TrainProgress& p) {
      if (!progress) progress.emplace(training.title, p.steps);
      progress->step(p.step, fmt::format("epoch {}  loss {:.3f}{}", p.epoch + 1, p.loss,
                                         std::isfinite(p.uar) ? fmt::format("  best UAR {:.3f}", p.uar) : ""));
    };
    if (options_.head.logistic)
      fit_read_out(model, clips_, task);
    else
      write_file(partial / "history.csv", format_history(train_fold(model, source_, task)));
    save_model(partial, model);
    return model;
  }

  static void write_start(const EmotionModel& model, const Path& folder) {
    Tensors start;
    for (const Parameter& p : model.adapted.parameters)
      if (p.role != ParameterRole::encoder) start[p.name] = p.tensor.detach();
    if (!start.empty()) write_safetensors(folder / "initial.safetensors", start);
  }

  void encode_once(const EmotionModel& model) {
    const auto states = options_.head.logistic ? all_hidden_states : clip_states;
    start_states_ = shared_rows(*options_.processes, all_clips(clips_), [&](std::span<const int64_t> own) {
      Progress progress("encoding clips", std::ssize(own));
      return states(model, source_, own, [&](int64_t done) { progress.step(done); });
    });
  }

  bool leads() const { return options_.processes->leads(); }

  const Base& base_;
  const Clips& clips_;
  const RunOptions& options_;
  Path folder_;
  std::vector<std::string> classes_;
  std::vector<int64_t> labels_, corpora_;
  at::Tensor targets_;  // FoldTask::targets
  bool frozen_;  // whether a clip has the same hidden states in every fold and epoch
  ClipSource source_;
  at::Tensor start_states_;
};

// Error for the folder of a fold or seed that this run does not have: later commands would read it as part of the run.
void refuse_others(const Path& folder, int64_t folds, const std::vector<uint64_t>& seeds) {
  for (const uint64_t seed : seeds) {
    const Path training = training_folder(folder, seeds.front(), seed);
    if (!fs::exists(training)) continue;
    for (const auto& entry : fs::directory_iterator(training)) {
      const std::string name = entry.path().filename().string();
      int64_t number = -1;
      if (name.starts_with("fold-")) std::from_chars(name.data() + 5, name.data() + name.size(), number);
      if (number >= folds)
        fail("{}: the run has {} folds, and none has this number: remove the folder", entry.path().string(), folds);
      if (const auto other = training_seed(entry.path()); other && std::ranges::find(seeds, *other) == seeds.end())
        fail("{}: the run has no training with this seed: remove the folder", entry.path().string());
    }
  }
}

// Error for options or classes with which no fold can be trained.
void check(const RunOptions& options, const Clips& clips) {
  options.train.validate();
  if (options.head.logistic && !method_named(options.adapter.method).leaves_encoder())
    fail("the method {} trains the encoder, but a logistic head needs a frozen one: choose the method frozen",
         options.adapter.method);
  if (classes_of(clips).size() < 2)
    fail("all clips have the label '{}': at least two classes are needed", clips.clips.front().label);
}

}  // namespace

nlohmann::json cross_validate(const Base& base, const Clips& clips, const std::vector<Fold>& folds,
                              const RunOptions& options, const Path& folder) {
  check(options, clips);
  std::vector<uint64_t> seeds;
  for (int64_t r = 0; r < options.seeds; ++r) seeds.push_back(options.train.seed + static_cast<uint64_t>(r));
  refuse_others(folder, std::ssize(folds), seeds);
  CrossValidation run(base, clips, options, folder);
  write_folds(folder / "folds.csv", clips, folds);
  std::vector<Prediction> predictions;
  for (const uint64_t seed : seeds) {
    for (size_t f = 0; f < folds.size(); ++f)
      for (auto& prediction : run.fold(folds[f], static_cast<int64_t>(f), std::ssize(folds), seed))
        predictions.push_back(std::move(prediction));
    if (options.final_model) run.final_model(seed);
  }
  dismiss_helpers(*options.processes);
  write_file(folder / "predictions.csv", format_predictions(predictions, run.classes()));
  nlohmann::json metrics = metrics_of(predictions, run.classes(), options.protocol.ddof, options.train.seed);
  metrics["protocol"] = options.protocol.name;
  metrics["method"] = options.adapter.method;
  metrics["base"] = base.name;
  metrics["trained_parameters"] = run.trained_parameters();
  metrics["groups"] = group_scores(predictions, run.classes(), clips);
  add_corpora(metrics, clips, folds, options.start.get());
  if (options.start) add_start(metrics, options);
  if (options.skipped_clips) metrics["skipped_clips"] = *options.skipped_clips;
  write_model_cards(folder, base, clips, folds, options, predictions, metrics);
  write_file(folder / "metrics.json", metrics.dump(2) + "\n");
  return metrics;
}

void train_part(const Base& base, const Clips& clips, const std::vector<Fold>& folds, const RunOptions& options,
                const TrainingPart& part, const Path& folder) {
  check(options, clips);
  const auto count = std::ssize(folds);
  CrossValidation run(base, clips, options, folder);
  write_folds(folder / "folds.csv", clips, folds);
  if (part.fold)
    run.fold(folds.at(*part.fold), *part.fold, count, part.seed);
  else
    run.final_model(part.seed);
  dismiss_helpers(*options.processes);
}

void help_to_train(const Base& base, const Clips& clips, const std::vector<Fold>& folds, const RunOptions& options) {
  check(options, clips);
  CrossValidation(base, clips, options, {}).help(folds);
}

void dismiss_helpers(Processes& processes) { processes.text_of_first(""); }

}  // namespace loralens
