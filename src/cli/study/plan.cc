// SPDX-License-Identifier: Apache-2.0
#include "cli/study/plan.h"

#include <CLI/CLI.hpp>

#include <algorithm>

#include "base/digest.h"
#include "base/error.h"
#include "base/nearest.h"
#include "base/output.h"
#include "cli/train/resolved.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t largest_file = 1 << 20;  // bytes
constexpr const char* copy = "study.toml";
constexpr const char* first_line = "# A study of loralens\n";

Path partial_of(const Path& out) { return out.string() + ".partial"; }

// Error for a folder that is there and holds no study.
void check_folder(const Path& folder) {
  if (!fs::exists(fs::symlink_status(folder))) return;
  if (!fs::is_directory(fs::symlink_status(folder)) ||
      (!fs::is_empty(folder) &&
       (!fs::exists(folder / copy) || !read_file(folder / copy, 2 * largest_file).starts_with(first_line))))
    fail("{} is no study of loralens: give another folder", folder.string());
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

// "FILE: line 4: " of the first flag that the message names, else "FILE: the run NAME: ".
std::string place_of(const StudyRun& run, const std::string& message, const std::string& file) {
  for (const TomlKey& flag : run.flags)
    if (const size_t at = message.find("--" + flag.name); at != std::string::npos) {
      const size_t end = at + 2 + flag.name.size();
      if (end == message.size() || !(std::isalnum(static_cast<unsigned char>(message[end])) || message[end] == '-'))
        return fmt::format("{}: line {}: ", file, flag.line);
    }
  return fmt::format("{}: the run {}: ", file, run.name);
}

PlannedRun planned(const StudyRun& run, const std::vector<std::string>& known, const std::string& file) {
  check_flags(run, known, file);
  PlannedRun plan{.run = run, .words = {"train"}, .folder = {}};
  for (std::string& word : words_of(run.flags)) plan.words.push_back(std::move(word));
  auto words = plan.words;
  words.insert(words.end(), {"-o", "run"});
  ResolvedTraining resolved;
  try {
    resolved = resolve_training(words);
  } catch (const CLI::ParseError& error) {
    throw UsageError(place_of(run, error.what(), file) + error.what());
  } catch (const UsageError& error) {
    throw UsageError(place_of(run, error.what(), file) + error.what());
  } catch (const Error& error) {
    fail("{}{}", place_of(run, error.what(), file), error.what());
  }
  plan.folder = fmt::format("{}-{}", run.name, resolved.digest.substr(0, 8));
  plan.trainings = resolved.folds * resolved.seeds;
  return plan;
}

}  // namespace

Path StudyPlan::folder() const {
  const Path partial = partial_of(out);
  return fs::exists(partial) || !fs::exists(out) ? partial : out;
}

bool StudyPlan::is_trained(const PlannedRun& run) const { return fs::exists(run_folder(run) / "metrics.json"); }

bool StudyPlan::is_begun(const PlannedRun& run) const {
  const std::string folder = run_folder(run).string();
  return fs::exists(folder + ".partial") || fs::exists(folder + ".parts");
}

StudyPlan plan_study(const Path& file, const Path& out) {
  StudyPlan plan{.study = parse_study(read_file(file, largest_file), file.string()),
                 .file = file,
                 .out = output_name(out.string()),
                 .runs = {}};
  for (const Path& folder : {plan.out, partial_of(plan.out)}) check_folder(folder);
  const auto known = training_flags();
  for (const StudyRun& run : plan.study.runs) plan.runs.push_back(planned(run, known, file.string()));
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
  fs::create_directories(partial / "runs");
  write_file(partial / copy, first_line + read_file(plan.file, largest_file));
}

}  // namespace loralens
