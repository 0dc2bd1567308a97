// SPDX-License-Identifier: Apache-2.0
// loralens study: trains, compares and analyses the runs of a grid.
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/digest.h"
#include "base/error.h"
#include "base/files.h"
#include "base/new_file.h"
#include "base/progress.h"
#include "base/shell.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/numbers.h"
#include "cli/study/plan.h"
#include "cli/study/program.h"
#include "cli/study/slurm.h"
#include "cli/train/jobs.h"
#include "report/page.h"
#include "report/study_page.h"
#include "study/study_results.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

struct StudyArguments {
  std::string file, out;
  bool list = false, status = false, slurm = false;
  std::optional<int64_t> only;
  int64_t jobs = 1;
};

// Runs a command of this program as a child process, which is stopped if this process ends. Error if the command fails.
void run_command(const std::string& name, const std::vector<std::string>& words) {
  run_jobs({{.name = name, .arguments = words, .log = {}}}, /*most=*/1, [](int64_t) {});
}

// Trains one run, or resumes its training.
void train_run(const StudyPlan& plan, const PlannedRun& run, int64_t jobs) {
  const std::string folder = plan.run_folder(run).string();
  std::vector<std::string> words = {"train", "--resume", folder};
  if (!plan.is_begun(run)) {
    words = run.words;
    words.insert(words.end(), {fmt::format("--jobs={}", std::min(jobs, run.trainings)), "-o", folder});
  }
  log_line(fmt::format("{}: {}", run.run.name, plan.is_begun(run) ? "resuming" : "training"));
  run_command(run.run.name, words);
}

// Trains the runs that are not trained. If a run fails, the others are trained all the same; then Error with the names
// of the failed runs.
void train_missing(const StudyPlan& plan, int64_t jobs) {
  std::vector<const PlannedRun*> missing;
  for (const PlannedRun& run : plan.runs)
    if (!plan.is_trained(run)) missing.push_back(&run);
  if (missing.size() < plan.runs.size())
    log_line(fmt::format("{} of {} runs are trained already", plan.runs.size() - missing.size(), plan.runs.size()));
  std::vector<std::string> failed;
  Progress progress("runs", std::ssize(missing));
  for (size_t i = 0; i < missing.size(); ++i) {
    try {
      train_run(plan, *missing[i], jobs);
    } catch (const Error&) {  // its own process has told why
      failed.push_back(missing[i]->run.name);
    }
    progress.step(static_cast<int64_t>(i + 1));
  }
  if (!failed.empty())
    fail("{} of {} runs failed: {}: mend the cause and give the same command again", failed.size(), plan.runs.size(),
         fmt::join(failed, ", "));
}

// The folder of a run's analysis; its name depends on the flags of the analysis.
Path analysis_folder(const StudyPlan& plan, const PlannedRun& run, const std::vector<std::string>& words) {
  Sha256 digest;
  for (const std::string& word : words) digest.add(word + '\0');
  return plan.out / "analyses" / fmt::format("{}-{}", run.folder, digest.hex().substr(0, 8));
}

// Analyses each run that is not analysed yet, and writes the page that shows the analyses side by side.
void analyse(const StudyPlan& plan) {
  if (!plan.study.analyze) return;
  const auto flags = words_of(*plan.study.analyze);
  fs::create_directories(plan.out / "analyses");
  std::vector<Path> folders;
  for (const PlannedRun& run : plan.runs) {
    folders.push_back(analysis_folder(plan, run, flags));
    if (fs::exists(folders.back())) continue;
    log_line(fmt::format("{}: analysing", run.run.name));
    std::vector<std::string> words = {"-q", "analyze", plan.run_folder(run).string(), "-o", folders.back().string()};
    words.insert(words.end(), flags.begin(), flags.end());
    run_command(run.run.name, words);
  }
  if (folders.size() > 1) write_comparison(folders, plan.out / "analyses.html");
}

// The lock of a study's last steps, held while the object exists. Error if another process holds it.
class StudyLock {
 public:
  explicit StudyLock(const Path& folder) : file_(open_regular_file(folder / "study.toml")) {
    if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
    ::close(file_);
    fail("{}: another process is analysing this study: wait for it", folder.string());
  }
  ~StudyLock() { ::close(file_); }
  StudyLock(const StudyLock&) = delete;

 private:
  int file_;
};

// Removes the temporary files and folders of killed commands directly in a folder.
void remove_temporary(const Path& folder) {
  if (!fs::exists(folder)) return;
  std::vector<Path> found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (!without_temporary_ending(entry.path().filename().string()).empty()) found.push_back(entry.path());
  for (const Path& path : found) fs::remove_all(path);
}

void finish(const StudyPlan& plan) {
  const StudyLock lock(plan.folder());
  if (plan.folder() != plan.out) fs::rename(plan.folder(), plan.out);
  for (const Path& folder : {plan.out, plan.out / "analyses"}) remove_temporary(folder);
  for (const PlannedRun& run : plan.runs) remove_temporary(plan.run_folder(run));
  analyse(plan);
  std::vector<Path> folders;
  for (const PlannedRun& run : plan.runs) folders.push_back(plan.run_folder(run));
  const nlohmann::json results = study_results(plan.study, folders);
  for (const Path& folder : folders)
    if (!fs::exists(folder / "report.html")) write_file(folder / "report.html", report_page(folder, folder));
  write_file(plan.out / "study.csv", format_study(results));
  write_file(plan.out / "study.json", results.dump(2) + "\n");
  write_file(plan.out / "report.html", study_page(results, plan.out));
  fmt::print("{}{}\n", describe_study(results), (plan.out / "report.html").string());
}

// Prints a command for each run. The report has no command of its own: `study` without --only makes it.
void list(const StudyPlan& plan, const StudyArguments& a) {
  for (size_t i = 0; i < plan.runs.size(); ++i)
    fmt::print("{} --only {}  # {}\n", study_command(a.file, a.out), i, plan.runs[i].run.name);
}

void print_status(const StudyPlan& plan) {
  const auto queued = states_in_queue(plan);
  size_t trained = 0;
  for (size_t i = 0; i < plan.runs.size(); ++i) {
    const PlannedRun& run = plan.runs[i];
    const bool done = plan.is_trained(run);
    trained += done;
    const auto state = queued.find(i);
    fmt::print("{:<9} {}{}\n",
               done                 ? "trained"
               : plan.is_begun(run) ? "begun"
                                    : "waiting",
               run.run.name, state == queued.end() ? "" : fmt::format(" ({} in Slurm)", state->second));
  }
  fmt::print("{} of {} runs are trained\n", trained, plan.runs.size());
}

void study(const StudyArguments& a) {
  if (a.list + a.status + a.slurm + a.only.has_value() > 1)
    throw UsageError("--list, --status, --slurm and --only exclude each other: give one of them");
  const StudyPlan plan = plan_study(a.file, a.out);
  if (a.list) return list(plan, a);
  if (a.status) return print_status(plan);
  if (a.slurm) return submit_study(plan, a.file, a.out, a.jobs);
  if (a.only && *a.only >= std::ssize(plan.runs))
    throw UsageError(fmt::format("--only {}: the runs are 0 to {}", *a.only, plan.runs.size() - 1));
  const InterruptMessage message("interrupted: the same command goes on");
  const auto missing = [&](const PlannedRun& run) { return !plan.is_trained(run); };
  if (a.only) {
    const PlannedRun& run = plan.runs[*a.only];
    if (!missing(run)) return log_line(fmt::format("{} is trained already", run.run.name));
    open_study(plan);
    return train_run(plan, run, a.jobs);
  }
  if (std::ranges::any_of(plan.runs, missing)) {
    open_study(plan);
    train_missing(plan, a.jobs);
  }
  finish(plan);
}

}  // namespace

void add_study(CLI::App& app) {
  auto a = std::make_shared<StudyArguments>();
  auto* command = app.add_subcommand(
      "study",
      "Trains the runs of a grid, compares each with a baseline, and analyses them. The file names the flags that\n"
      "all runs share, the axes of the grid, the baseline and the analyses (docs/studies.md). Runs that are trained\n"
      "are kept; the same command goes on after an interruption.\n\n"
      "Examples:\n"
      "  loralens study rank.toml -o rank\n"
      "  loralens study rank.toml -o rank --slurm\n"
      "  loralens study rank.toml -o rank --list | parallel --jobs 4");
  command->option_defaults()->always_capture_default();
  command->add_option("file", a->file, "study file (TOML)")->required()->check(CLI::ExistingFile);
  command->add_option("-o,--output", a->out, "folder of the study")->required();
  command->add_flag("--list", a->list, "print a command for each run, train nothing");
  command->add_flag("--status", a->status, "print which runs are trained, and what Slurm says of the others");
  command->add_flag("--slurm", a->slurm,
                    "submit a Slurm job for each run that is not trained, and one for the report; [slurm] in the file\n"
                    "holds options of sbatch");
  command->add_option("--only", a->only, "train only the run of this number (from 0, as --list counts), no report")
      ->check(CLI::NonNegativeNumber);
  add_number(*command, "--jobs", a->jobs, Range<int64_t>{1, 1024}, "trainings of a run side by side");
  command->callback([a] { study(*a); });
}

}  // namespace loralens
