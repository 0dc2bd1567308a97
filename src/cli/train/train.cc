// SPDX-License-Identifier: Apache-2.0
// loralens train: cross-validation of one adaptation method on one or several corpora.
#include "base/error.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/shell.h"
#include "cli/clips.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/interrupt.h"
#include "cli/numbers.h"
#include "cli/own_files.h"
#include "cli/reads.h"
#include "cli/train/arguments.h"
#include "cli/train/helpers.h"
#include "cli/train/module_flags.h"
#include "cli/train/plan.h"
#include "cli/train/readable.h"
#include "cli/train/record.h"
#include "cli/train/resolved.h"
#include "cli/train/training_flags.h"
#include "corpus/join.h"
#include "corpus/labels.h"
#include "results/results.h"
#include "training/presets.h"

namespace loralens {
namespace {

// A resumed run, or one that is made of its parts, uses the flags that it was started with, so that no other flags may
// be given. flag: --resume or --merge.
void check_alone(const CLI::App& command, const std::string& flag) {
  for (const CLI::Option* option : command.get_options())
    if (option->count() > 0 && option->get_name() != flag)
      throw_usage("{} uses the flags in the run's own config.toml: leave out {}", flag, option->get_name());
}

// Whether an interrupted run has a checkpoint, a history or a head to resume from.
bool has_progress(const Path& partial) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(partial))
    for (const char* file : {"checkpoint.safetensors", "history.csv", "head.safetensors"})
      if (entry.path().filename() == file) return true;
  return false;
}

Base opened_base(const TrainArguments& a) {
  const Compute compute = compute_of(a.machine);
  if (a.base_precision == "auto") return open_base(a.model, compute);
  return open_int8_base(a.model, compute, Int8Weights::stored);
}

std::string advice_to_resume(const TrainArguments& a) {
  return fmt::format("interrupted: go on with 'loralens train --resume {}'", shell_word(output_name(a.out)));
}

void resume(const std::string& run, bool force = false);

// Makes a run of its parts. If they do not fit, they stay as they are and RUN.partial is removed.
void merge(const std::string& run, bool force) {
  join_parts(run, force);
  try {
    resume(run, force);
  } catch (...) {
    discard_partial(run, /*force=*/true, complaint_about_folder);
    throw;
  }
  remove_parts(run, complaint_about_folder);
}

// Trains the folds and seeds of the run in several processes.
void train_in_jobs(const CLI::App& command, const TrainArguments& a) {
  if (!a.machine.profile.empty()) throw_usage("--profile measures one process: leave it out with --jobs");
  if (!a.resuming) make_parts_folder(a.out, a.force);
  const LoadedClips loaded = load_clips(a);
  const auto folds = folds_of(loaded, a);
  const Path parts = parts_folder(a.out);
  write_file(parts / "config.toml", config_of(command, a, loaded.clips) + fmt::format("jobs = {}\n", a.parts.jobs()));
  const InterruptMessage message(advice_to_resume(a));
  const int64_t threads = std::max<int64_t>(1, thread_count(a.machine) / a.parts.jobs());
  train_parts(a.out, parts_of_run(std::ssize(folds), a.run.train.seed, a.run.seeds, a.run.final_model), a.parts.jobs(),
              threads);
  merge(a.out, a.force);
}

// Turns the training into that of one part, in the part's folder. It goes on if it was interrupted.
void enter_part(TrainArguments& a, const TrainingPart& part) {
  a.out = part_folder(a.out, part).string();
  const Path partial = a.out + ".partial";
  a.resuming = !a.force && std::filesystem::exists(partial / "inputs.json");
  if (!a.resuming && std::filesystem::exists(partial)) a.force = true;  // it was killed before it trained
}

// Trains into the folder and commits it; returns the run's scores in words, "" for a part. If the training fails, the
// folder is kept if --resume could go on with it.
std::string trained(const Base& base, const Clips& clips, const std::vector<Fold>& folds, const TrainArguments& a,
                    const std::optional<TrainingPart>& part, OutputFolder& out) {
  const InterruptMessage message(part ? "interrupted: go on with the same command" : advice_to_resume(a));
  std::string results;
  try {
    if (part)
      train_part(base, clips, folds, a.run, *part, out.path());
    else
      results = describe_metrics(cross_validate(base, clips, folds, a.run, out.path()));
    out.commit();
  } catch (...) {
    if (has_progress(out.path())) out.keep();
    throw;
  }
  return results;
}

// Opens the base model and the adapter of --from, chooses the layers, and completes `inputs` but for the audio.
Base prepared_base(CLI::App& command, TrainArguments& a, const Clips& clips, const std::vector<Fold>& folds,
                   TrainingInputs& inputs) {
  Base base = opened_base(a);
  if (a.from.given())
    a.from.open(command, a.adapter, base, inputs.classes, a.run);
  else
    a.adapter.choose_layers(a.run.adapter, base.encoder.config);
  check_recompute(a.run);
  inputs.folds = fold_letters(folds, clips.clips.size());
  inputs.base_sha256 = base.sha256;
  inputs.precision = base.precision.compute == c10::ScalarType::BFloat16 ? "bf16" : "fp32";
  return base;
}

// Reads and checks the inputs of a training and prints its plan, without training (--dry-run).
void plan(CLI::App& command, TrainArguments& a, const GivenFlags& given) {
  if (std::filesystem::exists(a.out) && !a.force)
    fail("{} exists already: choose another name, or replace it with --force", a.out);
  const LoadedClips loaded = load_clips(a);
  const auto folds = folds_of(loaded, a);
  const std::string config = config_of(command, a, loaded.clips);
  TrainingInputs inputs = inputs_of(config, loaded.clips, a);
  const Base base = prepared_base(command, a, loaded.clips, folds, inputs);
  tell_of_unused(given, a);
  print_plan(loaded.clips, folds, inputs.classes, base, a);
  fmt::print("settings\n{}", config);
}

// What the processes other than 0 do.
void help(CLI::App& command, TrainArguments& a) {
  LoadedClips loaded;
  std::vector<Fold> folds;
  TrainingInputs inputs;
  std::optional<Base> base;
  const std::string error = error_of([&] {
    loaded = load_clips(a);
    inputs = inputs_of(config_of(command, a, loaded.clips), loaded.clips, a);
    folds = folds_of(loaded, a);
    base = prepared_base(command, a, loaded.clips, folds, inputs);
  });
  if (offer_help(*a.run.processes, inputs, error)) help_to_train(*base, loaded.clips, folds, a.run);
}

void train(CLI::App& command, TrainArguments& a, const GivenFlags& given) {
  const auto part = a.parts.part(command, given.command_line);
  resolve(command, a, given);
  join_processes(a);
  if (a.dry_run && a.run.processes->leads()) plan(command, a, given);
  if (a.dry_run) return;
  if (a.parts.jobs() > 1) return train_in_jobs(command, a);
  if (!a.run.processes->leads()) return help(command, a);
  if (part) enter_part(a, *part);
  const auto read = paths_of_flags(command);
  if (a.force) check_inputs_stay(output_name(a.out), read);
  if (a.force && !a.resuming) check_inputs_stay(output_name(a.out) + ".partial", read);  // resumed, it stays
  std::optional<OutputFolder> made;
  const bool done = part && !a.force && std::filesystem::exists(a.out);
  if (!done) made.emplace(a.out, a.force, complaint_about_folder, a.resuming ? Build::resume : Build::resumable);
  const LoadedClips loaded = load_clips(a);
  const Clips& clips = loaded.clips;
  const std::string config = config_of(command, a, clips);
  TrainingInputs inputs = inputs_of(config, clips, a);
  if (done) {
    recorded_inputs(inputs, a, a.out);
    send_helpers_away(*a.run.processes);
    return log_line(fmt::format("{}: already trained", a.out));
  }
  OutputFolder& out = *made;
  check_inputs_stay(a.out, paths_of(clips));
  std::optional<TrainingInputs> before;
  if (a.resuming) before = recorded_inputs(inputs, a, out.path());
  const auto folds = folds_of(loaded, a);
  if (part && part->fold.value_or(0) >= std::ssize(folds))
    fail("--fold {}: the folds are 0 to {}", *part->fold, folds.size() - 1);
  const Base base = prepared_base(command, a, clips, folds, inputs);
  check_helpers(*a.run.processes, inputs);
  if (a.run.start && before) {  // use the interrupted training's record, since the adapter's may have changed
    auto start = std::make_shared<TrainingStart>(*a.run.start);
    if (auto record = read_start(out.path())) start->record = *std::move(record);
    a.run.start = start;
  }
  if (a.run.start) inputs.start = a.run.start->record;
  record_inputs(inputs, before, loaded, folds, a, out.path());
  write_file(out.path() / "config.toml", config);
  tell_of_unused(given, a);
  log_line(fmt::format("{} clips, {} folds{}, {} on {}, {}", clips.clips.size(), folds.size(),
                       a.run.seeds > 1 ? fmt::format(", {} seeds", a.run.seeds) : "", a.run.adapter.method, base.name,
                       inputs.precision));
  fmt::print("{}", trained(base, clips, folds, a, part, out));
}

// What a training's settings need of its base model.
struct BaseFacts {
  std::string sha256;
  WhisperConfig config;
};

// Each base model is read once.
const BaseFacts& facts_of_base(const TrainArguments& a) {
  static std::map<std::pair<std::string, std::string>, BaseFacts> known;
  const std::pair key{a.model, a.base_precision};
  if (const auto found = known.find(key); found != known.end()) return found->second;
  const Base base = opened_base(a);
  return known.emplace(key, BaseFacts{base.sha256, base.encoder.config}).first->second;
}

ResolvedTraining resolved(const CLI::App& command, TrainArguments& a) {
  LoadedClips loaded{read_corpora(a.corpora, label_map_of(a.labels.empty() ? "*" : a.labels))};
  if (const std::string missing = check_files(loaded.clips); !missing.empty() && !a.skip_unreadable)
    fail("{}", missing);
  const auto folds = folds_of(loaded, a);
  TrainingInputs inputs = inputs_of(config_of(command, a, loaded.clips), loaded.clips, a);
  inputs.folds = fold_letters(folds, loaded.clips.clips.size());
  const BaseFacts& base = facts_of_base(a);
  inputs.base_sha256 = base.sha256;
  if (a.machine.precision != "auto") inputs.precision = a.machine.precision;  // auto: whatever the machine is best at
  if (!a.from.given()) a.adapter.choose_layers(a.run.adapter, base.config);  // refuses layers that the model lacks
  check_recompute(a.run);
  return {digest_of(inputs), std::ssize(folds), a.run.seeds};
}

void add_train_command(CLI::App& app, std::shared_ptr<TrainArguments> a);

// Resumes an interrupted run: runs `train` with the configuration in the run's folder, or in that of its parts.
void resume(const std::string& run, bool force) {
  const Path target(output_name(run));
  Path config = Path(target.string() + ".partial") / "config.toml";
  if (is_model_folder(target))
    fail("{} is a model and no interrupted run: '--from {}' starts a training from it", target.string(),
         shell_word(target.string()));
  if (std::filesystem::exists(target) && !force) fail("{} is finished: there is nothing to resume", target.string());
  if (const Path of_parts = parts_folder(target) / "config.toml";
      !std::filesystem::exists(config) && std::filesystem::exists(of_parts))
    config = of_parts;
  if (!std::filesystem::exists(config))
    fail("{}: there is no interrupted run (no {}): start one with -o {} (--force)", target.string(), config.string(),
         shell_word(target.string()));
  auto arguments = std::make_shared<TrainArguments>();
  arguments->resuming = true;
  CLI::App app;
  add_train_command(app, arguments);
  std::vector<std::string> words = {target.string(), "-o", config.string(), "--config",
                                    "train"};  // CLI11 expects them in reverse order
  if (force) words.insert(words.begin(), "--force");
  app.parse(words);
}

// Relative paths become absolute, so that config.toml is valid in any working directory.
std::string absolute(const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); }
std::string absolute_model(const std::string& name) {
  return std::filesystem::exists(Path(name) / "config.json") ? absolute(name) : name;
}
std::string absolute_labels(const std::string& labels) {
  return std::filesystem::is_regular_file(labels) ? absolute(labels) : labels;
}
std::string absolute_folds(const std::string& scheme) {
  return scheme.starts_with("file:") ? "file:" + absolute(scheme.substr(5)) : scheme;
}

void add_inputs_and_outputs(CLI::App& command, TrainArguments& a) {
  command.add_option("--model", a.model, "a name (tiny base small medium large-v3 ...), folder or Hugging Face id")
      ->transform(absolute_model);
  add_corpus_option(command, a.corpora,
                    "table of clips: path,label,speaker[,...]; may be given several times: trains on all")
      ->transform(absolute);
  command.add_option("-o,--output", a.out, "folder of the run");
  command
      .add_option("--resume", a.resume, "resume this interrupted run; a training starts from an adapter with --from")
      ->configurable(false);
  command.add_option("--merge", a.merge, "make this run of its parts, which --fold trained")->configurable(false);
  command.add_flag("--force", a.force, "replace the output folder if loralens wrote it");
  command.add_flag("--dry-run", a.dry_run, "check everything and print what would be trained, without training")
      ->configurable(false);
  command.add_option("--labels", a.labels, "four, seven, or a list such as ang=anger,exc=happiness; all if not given")
      ->transform(absolute_labels);
  command.add_option("--folds", a.folds.scheme, scheme_summary())->check(scheme_error)->transform(absolute_folds);
}

void add_train_command(CLI::App& app, std::shared_ptr<TrainArguments> a) {
  auto* command =
      app.add_subcommand("train",
                         "Adapts a Whisper encoder to the emotions of a corpus, over folds of speakers.\n\n"
                         "Examples:\n"
                         "  loralens train --model base --corpus clips.csv --folds speaker:10 -o run\n"
                         "  loralens train --model base --corpus clips.csv --method frozen -o frozen\n"
                         "  loralens train --corpus emo-db.csv --corpus ravdess.csv --balance corpora -o joint\n"
                         "  loralens train --resume run");
  command->option_defaults()->always_capture_default();
  add_inputs_and_outputs(*command, *a);
  command->add_flag("--allow-leaks", a->folds.allow_leaks, "allow a speaker or a recording in two parts of a fold");
  command->add_flag("--skip-unreadable", a->skip_unreadable,
                    "leave out clips whose audio is missing or cannot be read, and list them in skipped.csv");
  command->add_flag("--final", a->run.final_model, "also train on all clips, into final/");
  command->add_option("--protocol", a->protocol, "strict; paper: like the published code, defects included")
      ->check(CLI::IsMember(protocol_names()));
  command->add_option("--preset", a->preset, preset_summary())->check(CLI::IsMember(preset_names()));
  command->add_flag("--recompute", a->run.train.recompute,
                    "gradient checkpointing: keep each layer's input, recompute activations in the backward pass");
  add_number(*command, "--cache-megabytes", a->cache_megabytes, {0, 1 << 20},
             "cache for hidden states of clips, in MiB");
  command
      ->add_option("--base-precision", a->base_precision,
                   "storage of the base weights: auto (as --precision), or int8 (only frozen weights on a CPU)")
      ->check(CLI::IsMember({"auto", "int8"}));
  a->parts.add(*command);
  a->from.add(*command);
  a->adapter.add(*command);
  a->head.add(*command);
  add_training_flags(*command, a->run, a->select);
  add_input_options(*command, a->run.source.input);
  add_machine_options(*command, a->machine, /*gradients=*/true);
  add_config_option(*command);
  for (const auto& [name, value] : preset_named(a->preset, a->adapter.method()))  // so that --help shows them
    command->get_option("--" + name)->default_str(value);
  command->callback([a, command] {
    if (!a->resume.empty()) {
      check_alone(*command, "--resume");
      return resume(a->resume);
    }
    if (!a->merge.empty()) {
      check_alone(*command, "--merge");
      return merge(a->merge, /*force=*/false);
    }
    GivenFlags given{.command_line = flags_given(*command), .anywhere = {}};
    apply_config(*command);
    given.anywhere = flags_given(*command);
    if (a->corpora.empty()) throw CLI::RequiredError("--corpus");
    if (a->out.empty()) throw CLI::RequiredError("--output");
    if (!a->resolved) return train(*command, *a, given);
    resolve(*command, *a, given);
    *a->resolved = resolved(*command, *a);
  });
}

}  // namespace

void add_train(CLI::App& app) { add_train_command(app, std::make_shared<TrainArguments>()); }

ResolvedTraining resolve_training(const std::vector<std::string>& words) {
  ResolvedTraining result;
  auto arguments = std::make_shared<TrainArguments>();
  arguments->resolved = &result;
  CLI::App app;
  add_train_command(app, arguments);
  app.parse(std::vector(words.rbegin(), words.rend()));  // CLI11 expects them in reverse order
  return result;
}

std::vector<std::string> training_flags() {
  CLI::App app;
  add_train_command(app, std::make_shared<TrainArguments>());
  std::vector<std::string> names;
  for (const std::string& name : flag_names(*app.get_subcommand("train")))
    if (const auto* option = app.get_subcommand("train")->get_option("--" + name);
        option->get_configurable() && name != "help" && name != "output" && name != "force" && name != "jobs")
      names.push_back(name);
  return names;
}

}  // namespace loralens
