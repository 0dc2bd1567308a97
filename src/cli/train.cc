// SPDX-License-Identifier: Apache-2.0
// loralens train: cross-validation of one adaptation method on one or several corpora.
#include <set>

#include "base/digest.h"
#include "base/error.h"
#include "base/formats/toml.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/shell.h"
#include "cli/adapter_flags.h"
#include "cli/clips.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/from_flag.h"
#include "cli/head_flags.h"
#include "cli/machine.h"
#include "cli/module_flags.h"
#include "cli/numbers.h"
#include "cli/own_files.h"
#include "cli/reads.h"
#include "cli/training_flags.h"
#include "corpus/audit/audit.h"
#include "corpus/join.h"
#include "corpus/labels.h"
#include "corpus/soft_labels.h"
#include "results/results.h"
#include "study/open_run.h"
#include "training/inputs.h"
#include "training/presets.h"
#include "training/run.h"

namespace loralens {
namespace {

struct TrainArguments {
  std::vector<std::string> corpora;
  std::string model = "base", out, resume, labels, preset{strict_protocol.preset}, protocol{strict_protocol.name};
  std::string select = "auto", base_precision = "auto";
  AdapterFlags adapter;
  FromFlag from;
  HeadFlags head;
  FoldOptions folds;
  RunOptions run;
  MachineOptions machine;
  int64_t cache_megabytes = 400;
  bool force = false, resuming = false;
};

// A resumed run uses the flags that it was started with, so no other flags may be given.
void check_resume_alone(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options())
    if (option->count() > 0 && option->get_name() != "--resume")
      throw_usage("--resume uses the flags in the run's own config.toml: leave out {}", option->get_name());
}

// Names of the given flags, such as "--rank".
struct GivenFlags {
  std::set<std::string> command_line;  // on the command line itself
  std::set<std::string> anywhere;      // there or in the configuration file
};

void resolve(CLI::App& command, TrainArguments& a, const GivenFlags& given) {
  const Protocol& protocol = a.run.protocol = protocol_named(a.protocol);
  if (command.get_option("--preset")->count() == 0) a.preset = protocol.preset;
  if (a.from.given()) {
    a.from.read(command, given.anywhere);
    a.run.adapter = a.from.options(command, a.adapter, given.command_line);
  }
  apply_preset(command, preset_named(a.preset, a.adapter.method()));
  if (!a.from.given()) a.run.adapter = a.adapter.options(command, given.command_line);
  a.run.source.input.cut = protocol.cut;
  a.run.same_start = a.run.same_start || protocol.same_start;
  a.run.source.cache_bytes = a.cache_megabytes << 20;
  a.run.source.threads = thread_count(a.machine);
  if (a.select == "auto") a.select = protocol.selection;
  a.run.train.selection = a.select == "test"          ? Selection::test
                          : a.select == "development" ? Selection::development
                                                      : Selection::last;
  a.run.head = a.head.options(a.run.adapter.method, protocol, a.run.train.selection, given.command_line);
  if (a.from.given()) a.run.head.logistic = false;
  a.folds.seed = a.run.train.seed;
  try {
    a.run.train.validate();
  } catch (const Error& error) {
    throw_usage("{}", error.what());
  }
  if (a.base_precision == "int8" &&
      method_named(a.run.adapter.method).encoder_training(a.run.adapter) != EncoderTraining::none)
    throw_usage("--base-precision int8 is for weights that are not trained: leave it out with --method {}",
                a.run.adapter.method);
}

// UsageError for a head, the adapter's of --from or a new one, that reads every layer.
void check_recompute(const RunOptions& run) {
  if (run.train.recompute && run.head.weighted_layer_sum)
    throw_usage("--recompute saves nothing with a weighted layer sum ({}), whose head reads every layer: leave it out",
                run.start ? "the head of --from" : "--weighted-layer-sum");
}

Clips load_clips(const TrainArguments& a) {
  std::map<std::string, int64_t> dropped;
  Clips clips = read_corpora(a.corpora, label_map_of(a.labels.empty() ? "*" : a.labels), &dropped);
  for (const auto& [label, count] : dropped) log_line(fmt::format("left out: {} clips labelled {}", count, label));
  if (const std::string missing = check_files(clips); !missing.empty()) fail("{}", missing);
  const auto corpora = counts_by(clips, "corpus");
  if (a.run.train.balance.starts_with("corpora") && corpora.size() < 2)
    fail("--balance {}: all clips are of the corpus '{}': give a second one with --corpus", a.run.train.balance,
         corpora.begin()->first);
  return clips;
}

// Reads the recordings of all clips. Error if a recording is in two parts of a fold, whatever its names, unless leaks
// are allowed.
std::vector<Recording> checked_audio(const Clips& clips, const std::vector<Fold>& folds, const TrainArguments& a) {
  Progress progress("checking audio", std::ssize(clips.clips));
  auto recordings = examine(clips, thread_count(a.machine), [&](int64_t done) { progress.step(done); });
  check_readable(recordings);
  if (a.folds.allow_leaks) return recordings;
  if (const auto leak = audio_leak(clips, folds, recordings); !leak.empty())
    fail(
        "folds {}: {}: take one of them out of the table, choose other folds, or allow it with --allow-leaks (see "
        "loralens audit)",
        a.folds.scheme, leak);
  return recordings;
}

// neutral_flags do not change a training's results (the precision is recorded separately); source_flags change them
// only through the files and models that they name.
constexpr const char* neutral_flags[] = {"threads", "device", "precision", "cache-megabytes", "recompute"};
constexpr const char* source_flags[] = {"corpus", "labels", "folds", "model", "from"};

// The flags of a resolved configuration as text, a list's values joined by commas.
std::map<std::string, std::string> flags_of(const std::string& config) {
  const char* const name = "the configuration";
  const Flags read = parse_flags(config, name);
  std::map<std::string, std::string> flags;
  for (const auto& [key, values] : read) flags[key] = fmt::format("{}", fmt::join(values_of(read, key, name), ","));
  return flags;
}

// The SHA-256 of the clips' soft labels; "" without them. Error for unusable votes (corpus/soft_labels.h).
std::string digest_of_soft_labels(const Clips& clips, const std::vector<std::string>& classes,
                                  const std::string& columns) {
  if (columns.empty()) return "";
  Sha256 digest;
  for (const auto& row : soft_labels(clips, classes, parse_vote_columns(columns)))
    digest.add(fmt::format("{}\n", fmt::join(row, ",")));
  return digest.hex();
}

// The flags and the contents of tables on which the training's results depend.
TrainingInputs inputs_of(const std::string& config, const Clips& clips, const TrainArguments& a) {
  TrainingInputs inputs{.version = LORALENS_VERSION, .flags = flags_of(config)};
  for (const char* name : neutral_flags) inputs.flags.erase(name);
  for (const char* name : source_flags)
    if (auto flag = inputs.flags.extract(name)) inputs.sources.insert(std::move(flag));
  if (a.from.given()) inputs.flags["from"] = a.from.sha256();
  inputs.classes = classes_of(clips);
  inputs.soft_labels_sha256 = digest_of_soft_labels(clips, inputs.classes, a.run.train.soft_labels);
  for (const Clip& c : clips.clips)
    inputs.clips.push_back({c.id, c.label, c.speaker, c.corpus, c.gender, c.intensity, c.text, "", {}});
  return inputs;
}

// Error unless the interrupted training was started with the same inputs.
void check_resumed(const TrainingInputs& before, const TrainingInputs& now, const std::string& run) {
  if (const auto difference = difference_of(before, now); !difference.empty())
    fail(
        "{} cannot be resumed, because its inputs have changed: {}. Restore the inputs, or start again with -o {} "
        "--force",
        run, difference, shell_word(run));
}

// The recorded inputs of a training to resume. Error unless its flags and clips are the current ones. Call it before
// the folds are made, which may fail for other clips.
TrainingInputs recorded_inputs(TrainingInputs now, const TrainArguments& a, const Path& folder) {
  TrainingInputs before = read_inputs(folder, a.out);
  for (const std::string& flag : foreign_flags(a.run.adapter.method))
    before.flags.erase(flag);  // older versions recorded them
  now.folds = before.folds;
  now.base_sha256 = before.base_sha256;
  now.precision = before.precision;
  check_resumed(before, now, a.out);
  return before;
}

// Checks the audio and records the training's inputs; on resume, compares the inputs with the record.
void record_inputs(TrainingInputs inputs, const std::optional<TrainingInputs>& before, const Clips& clips,
                   const std::vector<Fold>& folds, TrainArguments& a, const Path& folder) {
  if (before) check_resumed(*before, inputs, a.out);  // before reading the audio, which takes longer
  const auto recordings = checked_audio(clips, folds, a);
  a.from.check_leaks(clips, folds, recordings, a.folds.allow_leaks, a.run);
  for (size_t i = 0; i < recordings.size(); ++i) inputs.clips[i].sha256 = recordings[i].digest;
  if (before)
    check_resumed(*before, inputs, a.out);
  else
    write_inputs(folder, inputs, format_recordings(clips, recordings));
}

// Whether an interrupted run has a checkpoint, a history or a head to resume from.
bool has_progress(const Path& partial) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(partial))
    for (const char* file : {"checkpoint.safetensors", "history.csv", "head.safetensors"})
      if (entry.path().filename() == file) return true;
  return false;
}

// Logs flags that have no effect with the chosen method, input or selection.
void tell_of_unused(const GivenFlags& given, const TrainArguments& a) {
  const auto tell = [&](bool unused, const std::string& because, const std::vector<std::string>& flags) {
    std::vector<std::string> names;
    for (const std::string& flag : flags)
      if (unused && given.command_line.contains(flag)) names.push_back(flag);
    if (!names.empty()) log_line(fmt::format("without effect with {}: {}", because, fmt::join(names, ", ")));
  };
  const TrainOptions& o = a.run.train;
  const std::string method = "--method " + a.run.adapter.method;
  const bool frozen = method_named(a.run.adapter.method).leaves_encoder();
  std::vector<std::string> foreign = foreign_flags(a.run.adapter.method);
  std::erase_if(foreign, [&](const std::string& name) { return !given.anywhere.contains("--" + name); });
  if (!foreign.empty())
    log_line(fmt::format("without effect with {}, from the configuration file: {}", method, fmt::join(foreign, ", ")));
  const bool logistic = a.run.head.logistic;
  tell(frozen, method, {"--learning-rate", "--watch"});
  tell(!a.run.adapter.target_pattern.empty(), "--target-pattern", {"--targets"});
  tell(a.run.source.input.padded, "--input padded", {"--tail"});
  tell(o.specialize == "none", "--specialize none", {"--specialize-weight"});
  tell(logistic, "--read-out logistic", HeadFlags::unused_by_logistic());
  if (logistic) return;
  tell(frozen && !o.augment.active(), method, {"--position-dropout"});
  tell(o.batch_frames > 0, "--batch-frames", {"--batch"});
  tell(o.selection == Selection::last, "--select last", {"--patience"});
  tell(o.augment.time_masks == 0, "--time-masks 0", {"--time-share"});
  tell(o.augment.mel_masks == 0, "--mel-masks 0", {"--mel-width"});
}

Base opened_base(const TrainArguments& a) {
  const Compute compute = compute_of(a.machine);
  if (a.base_precision == "auto") return open_base(a.model, compute);
  return open_int8_base(a.model, compute, Int8Weights::stored);
}

void train(CLI::App& command, TrainArguments& a, const GivenFlags& given) {
  resolve(command, a, given);
  const auto read = paths_of_flags(command);
  if (a.force)
    for (const char* ending : {"", ".partial"}) check_inputs_stay(output_name(a.out) + ending, read);
  OutputFolder out(a.out, a.force, complaint_about_folder, a.resuming ? Build::resume : Build::resumable);
  const Clips clips = load_clips(a);
  check_inputs_stay(a.out, paths_of(clips));
  std::vector<std::string> left_out = foreign_flags(a.run.adapter.method);
  for (std::string& flag : a.from.replaced_flags(classes_of(clips))) left_out.push_back(std::move(flag));
  left_out.insert(left_out.end(), {"output", "resume", "force", "profile"});
  const std::string config = resolved_config(command, left_out);
  TrainingInputs inputs = inputs_of(config, clips, a);
  std::optional<TrainingInputs> before;
  if (a.resuming) before = recorded_inputs(inputs, a, out.path());
  const auto folds = make_folds(clips, a.folds, a.run.train.selection == Selection::development);
  const Base base = opened_base(a);
  if (a.from.given())
    a.from.open(command, a.adapter, base, inputs.classes, a.run);
  else
    a.adapter.choose_layers(a.run.adapter, base.encoder.config);
  check_recompute(a.run);
  if (a.run.start && before) {  // use the interrupted training's record, since the adapter's may have changed
    auto start = std::make_shared<TrainingStart>(*a.run.start);
    if (auto record = read_start(out.path())) start->record = *std::move(record);
    a.run.start = start;
  }
  if (a.run.start) inputs.start = a.run.start->record;
  inputs.folds = fold_letters(folds, clips.clips.size());
  inputs.base_sha256 = base.sha256;
  inputs.precision = base.precision.compute == c10::ScalarType::BFloat16 ? "bf16" : "fp32";
  record_inputs(inputs, before, clips, folds, a, out.path());
  write_file(out.path() / "config.toml", config);
  tell_of_unused(given, a);
  log_line(fmt::format("{} clips, {} folds{}, {} on {}, {}", clips.clips.size(), folds.size(),
                       a.run.seeds > 1 ? fmt::format(", {} seeds", a.run.seeds) : "", a.run.adapter.method, base.name,
                       inputs.precision));
  std::string results;
  try {
    const auto metrics = cross_validate(base, clips, folds, a.run, out.path());
    out.commit();
    results = describe_metrics(metrics);
  } catch (...) {
    if (has_progress(out.path())) out.keep();
    throw;
  }
  fmt::print("{}", results);
}

void add_train_command(CLI::App& app, std::shared_ptr<TrainArguments> a);

// Resumes an interrupted run: runs `train` with the configuration in the run's folder.
void resume(const std::string& run) {
  const Path target(output_name(run));
  const Path config = Path(target.string() + ".partial") / "config.toml";
  if (std::filesystem::exists(target)) fail("{} is finished: there is nothing to resume", target.string());
  if (!std::filesystem::exists(config))
    fail("{}: there is no interrupted run (no {}): start one with -o {} (--force)", target.string(), config.string(),
         shell_word(target.string()));
  auto arguments = std::make_shared<TrainArguments>();
  arguments->resuming = true;
  CLI::App app;
  add_train_command(app, arguments);
  std::vector<std::string> words = {target.string(), "-o", config.string(), "--config",
                                    "train"};  // CLI11 expects them in reverse order
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
  command->add_option("--model", a->model, "a name (tiny base small medium large-v3 ...), folder or Hugging Face id")
      ->transform(absolute_model);
  add_corpus_option(*command, a->corpora,
                    "table of clips: path,label,speaker[,...]; may be given several times: trains on all")
      ->transform(absolute);
  command->add_option("-o,--output", a->out, "folder of the run");
  command->add_option("--resume", a->resume, "resume this interrupted run")->configurable(false);
  command->add_flag("--force", a->force, "replace the output folder if loralens wrote it");
  command->add_option("--labels", a->labels, "four, seven, or a list such as ang=anger,exc=happiness; all if not given")
      ->transform(absolute_labels);
  command->add_option("--folds", a->folds.scheme, scheme_summary())->check(scheme_error)->transform(absolute_folds);
  command->add_flag("--allow-leaks", a->folds.allow_leaks, "allow a speaker or a recording in two parts of a fold");
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
      check_resume_alone(*command);
      return resume(a->resume);
    }
    GivenFlags given{.command_line = flags_given(*command), .anywhere = {}};
    apply_config(*command);
    given.anywhere = flags_given(*command);
    if (a->corpora.empty()) throw CLI::RequiredError("--corpus");
    if (a->out.empty()) throw CLI::RequiredError("--output");
    train(*command, *a, given);
  });
}

}  // namespace

void add_train(CLI::App& app) { add_train_command(app, std::make_shared<TrainArguments>()); }

}  // namespace loralens
