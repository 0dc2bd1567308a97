// SPDX-License-Identifier: Apache-2.0
#include "cli/study/plan.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <map>

#include "base/digest.h"
#include "base/error.h"
#include "base/nearest.h"
#include "base/new_file.h"
#include "base/output.h"
#include "cli/analyze.h"
#include "cli/train/resolved.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t largest_file = 1 << 20;  // bytes
constexpr const char* copy = "study.toml";
constexpr const char* first_line = "# A study of loralens\n";

Path partial_of(const Path& out) { return out.string() + ".partial"; }

// Whether a folder holds nothing but what a study leaves that is killed before its copy of the study file is written.
bool is_barely_begun(const Path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name != StudyPlan::lock_name && without_temporary_ending(name) != copy) return false;
  }
  return true;
}

// Error for a folder that is there and holds no study.
void check_folder(const Path& folder) {
  if (!fs::exists(fs::symlink_status(folder))) return;
  if (!fs::is_directory(fs::symlink_status(folder)) ||
      (!is_barely_begun(folder) &&
       (!fs::exists(folder / copy) || !read_file(folder / copy, 2 * largest_file).starts_with(first_line))))
    fail("{} is no study of loralens: give another folder", folder.string());
}

// Error if the study file lies in its own output folder, which changes its name, or if both names of the folder exist.
void check_places(const StudyPlan& plan) {
  const Path partial = partial_of(plan.out);
  const Path file = fs::weakly_canonical(plan.file).parent_path();
  for (const Path& folder : {plan.out, partial})
    if (file == fs::weakly_canonical(folder))
      fail("{} lies in the study's own folder: copy it out of {}", plan.file.string(), folder.string());
  if (fs::exists(plan.out) && fs::exists(partial))
    fail("{} and {} both exist: move one of them away; both may hold runs of this study", plan.out.string(),
         partial.string());
}

// Error if the folder holds runs, and none that has a name of this study's runs.
void check_same_study(const StudyPlan& plan) {
  const Path runs = plan.folder() / "runs";
  if (!fs::is_directory(runs)) return;
  std::string other;
  for (const auto& entry : fs::directory_iterator(runs)) {
    other = entry.path().filename().string();
    for (const PlannedRun& run : plan.runs)
      if (other.starts_with(run.run.name + "-")) return;
  }
  if (!other.empty())
    fail("{} holds another study, with runs such as {}: give another folder", plan.folder().string(), other);
}

// Error if two runs have the same inputs, so that one of them is trained for nothing.
void check_differences(const std::vector<PlannedRun>& runs, const std::string& file) {
  std::map<std::string, std::string> names;  // by digest
  for (const PlannedRun& run : runs)
    if (const auto [found, fresh] = names.emplace(run.digest, run.run.name); !fresh)
      fail("{}: the runs {} and {} have the same flags, clips and folds: remove a level", file, found->second,
           run.run.name);
}

// Error, with the line, for flags that no training has.
void check_flags(const StudyRun& run, const std::vector<std::string>& known, const std::string& file) {
  for (const TomlKey& flag : run.flags) {
    if (std::ranges::find(known, flag.name) != known.end()) continue;
    const std::string near = nearest(flag.name, known);
    fail("{}: line {}: '{}' is no flag of 'loralens train' that a study can set{}", file, flag.line, flag.name,
         near.empty() ? "" : fmt::format(": did you mean '{}'?", near));
  }
}

// "FILE: line 4: " of the first of these flags that the message names, else "FILE: <other>: ".
std::string place_of(const std::vector<TomlKey>& flags, const std::string& other, const std::string& message,
                     const std::string& file) {
  for (const TomlKey& flag : flags)
    if (const size_t at = message.find("--" + flag.name); at != std::string::npos) {
      const size_t end = at + 2 + flag.name.size();
      if (end == message.size() || !(std::isalnum(static_cast<unsigned char>(message[end])) || message[end] == '-'))
        return fmt::format("{}: line {}: ", file, flag.line);
    }
  return fmt::format("{}: {}: ", file, other);
}

// Calls work(), which parses flags as a command line; its errors name the file and the line.
template <typename Work>
auto with_place(const std::vector<TomlKey>& flags, const std::string& other, const std::string& file, Work&& work) try {
  return work();
} catch (const CLI::ParseError& error) {
  throw UsageError(place_of(flags, other, error.what(), file) + error.what());
} catch (const UsageError& error) {
  throw UsageError(place_of(flags, other, error.what(), file) + error.what());
} catch (const Error& error) {
  fail("{}{}", place_of(flags, other, error.what(), file), error.what());
}

PlannedRun planned(const StudyRun& run, const std::vector<std::string>& known, const std::string& file) {
  check_flags(run, known, file);
  PlannedRun plan{.run = run, .words = {"train"}, .folder = {}};
  for (std::string& word : words_of(run.flags)) plan.words.push_back(std::move(word));
  auto words = plan.words;
  words.insert(words.end(), {"-o", "run"});
  const ResolvedTraining resolved =
      with_place(run.flags, "the run " + run.name, file, [&] { return resolve_training(words); });
  plan.digest = resolved.digest;
  plan.folder = fmt::format("{}-{}", run.name, resolved.digest.substr(0, 8));
  plan.trainings = resolved.folds * resolved.seeds;
  plan.seeds = resolved.seeds;
  return plan;
}

}  // namespace

std::vector<std::string> PlannedRun::corpora() const {
  const auto flag = std::ranges::find(run.flags, "corpus", &TomlKey::name);
  return flag == run.flags.end() ? std::vector<std::string>() : flag->values;
}

Path StudyPlan::folder() const {
  const Path partial = partial_of(out);
  return fs::exists(partial) || !fs::exists(out) ? partial : out;
}

bool StudyPlan::is_trained(const PlannedRun& run) const { return fs::exists(run_folder(run) / "metrics.json"); }

bool StudyPlan::is_begun(const PlannedRun& run) const {
  const std::string folder = run_folder(run).string();
  return fs::exists(folder + ".partial/config.toml") || fs::exists(folder + ".parts/config.toml");
}

StudyPlan plan_study(const Path& file, const Path& out) {
  StudyPlan plan{.study = parse_study(read_file(file, largest_file), file.string()),
                 .file = file,
                 .out = output_name(out.string()),
                 .runs = {}};
  for (const Path& folder : {plan.out, partial_of(plan.out)}) check_folder(folder);
  check_places(plan);
  const auto known = training_flags();
  for (const StudyRun& run : plan.study.runs) plan.runs.push_back(planned(run, known, file.string()));
  check_differences(plan.runs, file.string());
  check_same_study(plan);
  if (const auto& flags = plan.study.analyze)
    with_place(*flags, "[analyze]", file.string(), [&] { check_analysis_flags(words_of(*flags)); });
  return plan;
}

std::vector<std::string> words_of(const std::vector<TomlKey>& flags) {
  std::vector<std::string> words;
  for (const TomlKey& flag : flags)
    for (const std::string& value : flag.values) words.push_back(fmt::format("--{}={}", flag.name, value));
  return words;
}

void open_study(const StudyPlan& plan) {
  const Path partial = partial_of(plan.out);
  if (!fs::exists(partial) && fs::exists(plan.out)) fs::rename(plan.out, partial);
  fs::create_directories(partial);
  write_copy(plan);
  fs::create_directories(partial / "runs");
}

void write_copy(const StudyPlan& plan) {
  write_file(plan.folder() / copy, first_line + read_file(plan.file, largest_file));
}

}  // namespace loralens
