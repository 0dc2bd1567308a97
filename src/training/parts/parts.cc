// SPDX-License-Identifier: Apache-2.0
#include "training/parts/parts.h"

#include <algorithm>

#include "base/error.h"
#include "base/range.h"
#include "base/shell.h"
#include "results/run_folder.h"
#include "training/inputs.h"
#include "training/train_options.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

std::string name_of(const TrainingPart& part) {
  return fmt::format("{}-seed-{}", part.fold ? fold_name(*part.fold) : "final", part.seed);
}

// The part with this folder name; nullopt for another name.
std::optional<TrainingPart> part_named(const std::string& name) {
  const auto dash = name.find("-seed-");
  if (dash == std::string::npos) return std::nullopt;
  const auto seed = parse_number<uint64_t>(name.substr(dash + 6));
  const std::string start = name.substr(0, dash);
  TrainingPart part{.fold = fold_number(start), .seed = seed.value_or(0)};
  if (!seed || (!part.fold && start != "final") || name_of(part) != name) return std::nullopt;
  return part;
}

// The parts of a run that have a file or folder with this ending of its name, by seeds, then folds.
std::vector<TrainingPart> parts_with(const Path& run, std::string_view ending) {
  std::vector<TrainingPart> parts;
  const Path folder = parts_folder(run);
  if (!fs::is_directory(folder)) return parts;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(ending)) continue;
    if (const auto part = part_named(name.substr(0, name.size() - ending.size()))) parts.push_back(*part);
  }
  std::ranges::sort(parts, {}, [](const TrainingPart& part) { return std::pair(part.seed, part.fold.value_or(-1)); });
  return parts;
}

// The recorded inputs of a run's parts. Error if two parts differ.
TrainingInputs common_inputs(const Path& run, const std::vector<TrainingPart>& parts) {
  std::optional<TrainingInputs> first;
  for (const TrainingPart& part : parts) {
    const std::string folder = part_folder(run, part).string();
    TrainingInputs inputs = read_inputs(folder, folder);
    if (!first)
      first = std::move(inputs);
    else if (const std::string difference = difference_of(*first, inputs); !difference.empty())
      fail(
          "{} is no part of one run with {}: {}. Train one of them again with the flags of the other (the seed that "
          "makes the folds is --first-seed), or remove it",
          folder, part_folder(run, parts.front()).string(), difference);
  }
  return *first;
}

uint64_t seed_in(const TrainingInputs& inputs, const Path& run) {
  const auto flag = inputs.flags.find("seed");
  const auto seed = flag == inputs.flags.end() ? std::nullopt : parse_number<uint64_t>(flag->second);
  if (!seed) fail("{}: its parts record no seed: train them again", run.string());
  return *seed;
}

// Error unless the finished parts are those of a whole run.
void check_whole(const Path& run, const std::vector<TrainingPart>& finished, const std::vector<TrainingPart>& wanted) {
  std::vector<std::string> missing;
  for (const TrainingPart& part : wanted)
    if (std::ranges::find(finished, part) == finished.end())
      missing.push_back(flags_of(part) + (fs::exists(part_folder(run, part).string() + ".partial")
                                              ? " (interrupted, or another process is training it)"
                                              : ""));
  if (!missing.empty())
    fail("{} of the {} parts of {} are missing: train them with {}", missing.size(), wanted.size(), run.string(),
         fmt::join(missing, "; "));
  for (const TrainingPart& part : finished)
    if (std::ranges::find(wanted, part) == wanted.end())
      fail("{} is no part of this run: remove it", part_folder(run, part).string());
}

// Links the files of a folder into a new folder; copies those that cannot be linked.
void link_files(const Path& from, const Path& to) {
  fs::create_directories(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    const Path name = to / entry.path().filename();
    std::error_code code;
    fs::create_hard_link(entry.path(), name, code);
    if (code) fs::copy_file(entry.path(), name);
  }
}

// config.toml with the number of seeds of the whole run.
std::string with_seeds(const std::string& config, int64_t seeds, const Path& file) {
  const std::string line = "\nseeds = 1\n";
  const auto place = ("\n" + config).find(line);
  if (place == std::string::npos) fail("{} is damaged: it has no line 'seeds = 1'", file.string());
  std::string text = "\n" + config;
  text.replace(place, line.size(), fmt::format("\nseeds = {}\n", seeds));
  return text.substr(1);
}

}  // namespace

std::optional<int64_t> parse_part_fold(const std::string& text) {
  if (text == "final") return std::nullopt;
  const auto number = parse_number<int64_t>(text);
  if (!number || *number < 0) fail("'{}' is neither the number of a fold, from 0, nor 'final'", text);
  return number;
}

std::string flags_of(const TrainingPart& part) {
  return fmt::format("--fold {} --seed {}", part.fold ? std::to_string(*part.fold) : "final", part.seed);
}

Path parts_folder(const Path& run) { return output_name(run.string()) + ".parts"; }

Path part_folder(const Path& run, const TrainingPart& part) { return parts_folder(run) / name_of(part); }

std::vector<TrainingPart> parts_of_run(int64_t folds, uint64_t first_seed, int64_t seeds, bool final_model) {
  std::vector<TrainingPart> parts;
  for (uint64_t seed = first_seed; seed < first_seed + static_cast<uint64_t>(seeds); ++seed) {
    for (int64_t fold = 0; fold < folds; ++fold) parts.push_back({fold, seed});
    if (final_model) parts.push_back({std::nullopt, seed});
  }
  return parts;
}

void merge_parts(const Path& run, const Path& folder) {
  const auto finished = parts_with(run, "");
  if (finished.empty())
    fail("{}: there are no parts of this run (no {}): train them with --fold K --seed S -o {}", run.string(),
         parts_folder(run).string(), shell_word(run.string()));
  TrainingInputs inputs = common_inputs(run, finished);
  const uint64_t first_seed = seed_in(inputs, run);
  if (finished.front().seed < first_seed)
    fail("{} has a seed before the run's first one, {}: give --first-seed", part_folder(run, finished[0]).string(),
         first_seed);
  const auto seeds = static_cast<int64_t>(finished.back().seed - first_seed + 1);
  if (!train_ranges::seeds.contains(seeds))
    fail("{} has a seed {} after the run's first one, {}: remove it, or give --first-seed",
         part_folder(run, finished.back()).string(), seeds - 1, first_seed);
  check_whole(run, finished,
              parts_of_run(std::ssize(inputs.folds), first_seed, seeds, inputs.flags.at("final") == "true"));
  for (const TrainingPart& part : finished) {
    const Path name = part.fold ? fold_name(*part.fold) : "final";
    link_files(training_folder(part_folder(run, part), first_seed, part.seed) / name,
               training_folder(folder, first_seed, part.seed) / name);
  }
  const Path first = part_folder(run, finished.front());
  inputs.flags["seeds"] = std::to_string(seeds);
  inputs.start = read_start(first);
  write_inputs(folder, inputs, read_file(first / "recordings.csv"));
  write_file(folder / "config.toml", with_seeds(read_file(first / "config.toml"), seeds, first / "config.toml"));
}

std::vector<TrainingPart> unfinished_parts(const Path& run) { return parts_with(run, ".partial"); }

void remove_parts(const Path& run, const Complaint& complaint) {
  const Path folder = parts_folder(run);
  std::error_code ignored;
  for (const TrainingPart& part : parts_with(run, ""))
    if (complaint(part_folder(run, part)).empty()) fs::remove_all(part_folder(run, part), ignored);
  for (const TrainingPart& part : parts_with(run, ".log"))
    fs::remove(part_folder(run, part).string() + ".log", ignored);
  fs::remove(folder / "config.toml", ignored);
  fs::remove(folder, ignored);
}

}  // namespace loralens
