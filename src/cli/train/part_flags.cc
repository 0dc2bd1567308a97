// SPDX-License-Identifier: Apache-2.0
#include "cli/train/part_flags.h"

#include "base/error.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/shell.h"
#include "cli/numbers.h"
#include "cli/own_files.h"
#include "cli/train/jobs.h"
#include "cli/train/module_flags.h"
#include "training/train_options.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

void set(CLI::App& command, const std::string& flag, const std::string& value) {
  CLI::Option* option = command.get_option(flag);
  option->clear();
  option->add_result(value);
  option->run_callback();
}

std::string fold_error(const std::string& text) {
  return error_of([&] { parse_part_fold(text); });
}

}  // namespace

void PartFlags::add(CLI::App& command) {
  command
      .add_option("--fold", fold_,
                  "train this fold alone (from 0; final: the final model) with the seed of --seed, into RUN.parts; "
                  "--merge joins such parts")
      ->check(fold_error)
      ->configurable(false);
  add_number(command, "--first-seed", first_seed_, train_ranges::seed,
             "with --fold: the run's first seed, which makes the folds; --seed if not given")
      ->configurable(false)
      ->default_str("");
  add_number(command, "--jobs", jobs_, Range<int64_t>{1, 1024},
             "processes that train folds and seeds side by side; --threads is shared out among them");
}

std::optional<TrainingPart> PartFlags::part(CLI::App& command, const std::set<std::string>& given) const {
  if (fold_.empty()) {
    if (given.contains("--first-seed")) throw_usage("--first-seed is for --fold: leave it out, or give --fold");
    return std::nullopt;
  }
  for (const char* flag : {"--seeds", "--jobs", "--profile"})
    if (given.contains(flag)) throw_usage("--fold trains one fold with one seed: leave {} out", flag);
  const TrainingPart part{.fold = parse_part_fold(fold_), .seed = command.get_option("--seed")->as<uint64_t>()};
  if (!part.fold && !command.get_option("--final")->as<bool>())
    throw_usage("--fold final trains the model of --final: give --final, to all parts of the run");
  const uint64_t first = given.contains("--first-seed") ? static_cast<uint64_t>(first_seed_) : part.seed;
  if (first > part.seed) throw_usage("--first-seed {} is larger than --seed {}", first, part.seed);
  set(command, "--seed", std::to_string(first));
  set(command, "--seeds", "1");
  return part;
}

void train_parts(const Path& run, const std::vector<TrainingPart>& parts, int64_t jobs, int64_t threads) {
  const uint64_t first_seed = parts.front().seed;
  std::vector<Job> processes;
  for (const TrainingPart& part : parts) {
    const std::string fold = part.fold ? std::to_string(*part.fold) : "final";
    processes.push_back(
        {.name = part.fold ? fmt::format("fold {}, seed {}", fold, part.seed)
                           : fmt::format("final model, seed {}", part.seed),
         .arguments = {"train", "--config", (parts_folder(run) / "config.toml").string(), "--fold", fold, "--seed",
                       std::to_string(part.seed), "--first-seed", std::to_string(first_seed), "--threads",
                       std::to_string(threads), "-o", run.string()},
         .log = part_folder(run, part).string() + ".log"});
  }
  log_line(fmt::format("{} trainings, {} at once with {} {} each; {} has their logs", parts.size(), jobs, threads,
                       threads == 1 ? "thread" : "threads", parts_folder(run).string()));
  Progress progress("trainings", std::ssize(parts));
  run_jobs(processes, jobs, [&](int64_t done) { progress.step(done); });
}

void make_parts_folder(const Path& run, bool force) {
  discard_partial(run, force, complaint_about_folder);
  const Path parts = parts_folder(run);
  if (fs::exists(parts) && !force)
    fail("{} was interrupted: resume with --resume {}, or give --force to start again", run.string(),
         shell_word(run.string()));
  for (const TrainingPart& part : unfinished_parts(run))  // an error if another process is training it
    discard_partial(part_folder(run, part), /*force=*/true, complaint_about_folder);
  remove_parts(run, complaint_about_folder);
  fs::create_directories(parts);
}

void join_parts(const Path& run, bool force) {
  const Path partial = output_name(run.string()) + ".partial";
  if (fs::exists(partial / "config.toml") && !force)
    fail("{} was interrupted: resume with --resume {}", run.string(), shell_word(run.string()));
  if (fs::exists(run) && !force) fail("{} exists already: remove or rename it", run.string());
  OutputFolder folder(run, /*force=*/true, complaint_about_folder, Build::resumable);
  merge_parts(run, folder.path());
  folder.keep();
}

}  // namespace loralens
