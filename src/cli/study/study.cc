// SPDX-License-Identifier: Apache-2.0
// loralens study: trains, compares and analyses the runs of a grid.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <system_error>

#include "base/digest.h"
#include "base/error.h"
#include "base/files.h"
#include "base/new_file.h"
#include "base/progress.h"
#include "base/range.h"
#include "base/shell.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/machine.h"
#include "cli/numbers.h"
#include "cli/study/plan.h"
#include "cli/study/program.h"
#include "cli/study/slurm.h"
#include "cli/train/jobs.h"
#include "report/page.h"
#include "report/study_page.h"
#include "study/run_clips.h"
#include "study/study_results.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

struct StudyArguments {
  std::string file, out;
  bool list = false, status = false, slurm = false;
  std::string only;
  int64_t jobs = 1;
};

// A lock of the study's folder, which is made if it is not there: exclusive for a command that trains all runs and
// writes the results, shared for those that train one run or submit tasks. Error if another process holds a lock that
// excludes it. File systems without locks have none.
class StudyLock {
 public:
  StudyLock(const StudyPlan& plan, bool exclusive) {
    fs::create_directories(plan.folder());
    const Path file = plan.folder() / StudyPlan::lock_name;
    file_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file_ < 0) fail("{}: cannot write: {}", file.string(), std::generic_category().message(errno));
    if (::flock(file_, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
    ::close(file_);
    fail("{}: another process works on this study: wait for it, or give another folder", plan.folder().string());
  }
  ~StudyLock() { ::close(file_); }
  StudyLock(const StudyLock&) = delete;

 private:
  int file_ = -1;
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
    // What a training leaves that was killed before it could be resumed.
    if (fs::exists(folder + ".partial") || fs::exists(folder + ".parts")) words.emplace_back("--force");
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
    fail(
        "{} of {} runs failed: {}: mend the cause and give the same command again; to begin a run anew, remove its "
        "folder in {}",
        failed.size(), plan.runs.size(), fmt::join(failed, ", "), (plan.folder() / "runs").string());
}

// The folder of a run's analysis; its name depends on the flags of the analysis and on the files that they name.
Path analysis_folder(const StudyPlan& plan, const PlannedRun& run, const std::vector<std::string>& words) {
  Sha256 digest;
  for (const std::string& word : words) {
    digest.add(word + '\0');
    const Path value = word.substr(word.find('=') + 1);
    if (fs::is_regular_file(value)) digest.add(read_file(value));
  }
  return plan.out / "analyses" / fmt::format("{}-{}", run.folder, digest.hex().substr(0, 8));
}

// Analyses each run that is not analysed yet, and writes the page that shows the analyses side by side.
void analyse(const StudyPlan& plan) {
  fs::remove(plan.out / "analyses.html");  // of an earlier study file
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

// Removes the temporary files and folders of killed commands directly in a folder.
void remove_temporary(const Path& folder) {
  if (!fs::exists(folder)) return;
  std::vector<Path> found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (!without_temporary_ending(entry.path().filename().string()).empty()) found.push_back(entry.path());
  for (const Path& path : found) fs::remove_all(path);
}

// Writes the tables and the page of the results.
nlohmann::json write_results(const StudyPlan& plan) {
  std::vector<Path> folders;
  for (const PlannedRun& run : plan.runs) folders.push_back(plan.run_folder(run));
  nlohmann::json results = study_results(plan.study, folders);
  for (const Path& folder : folders)
    if (!fs::exists(folder / "report.html")) write_file(folder / "report.html", report_page(folder, folder));
  write_file(plan.out / "study.csv", format_study(results));
  write_file(plan.out / "study.json", results.dump(2) + "\n");
  write_file(plan.out / "report.html", study_page(results, plan.out));
  return results;
}

void finish(const StudyPlan& plan) {
  if (plan.folder() != plan.out) fs::rename(plan.folder(), plan.out);
  for (const Path& folder : {plan.out, plan.out / "analyses"}) remove_temporary(folder);
  for (const PlannedRun& run : plan.runs) remove_temporary(plan.run_folder(run));
  write_copy(plan);
  if (plan.study.analyze) write_results(plan);  // they are there even if an analysis fails
  analyse(plan);
  const nlohmann::json results = write_results(plan);
  fmt::print("{}{}\n", describe_study(results), (plan.out / "report.html").string());
}

// Prints a command for each run. The report has no command of its own: `study` without --only makes it.
void list(const StudyPlan& plan, const StudyArguments& a) {
  const std::string jobs = a.jobs > 1 ? fmt::format(" --jobs {}", a.jobs) : "";
  for (const PlannedRun& run : plan.runs)
    fmt::print("{}{} --only {}  # {}\n", study_command(a.file, a.out), jobs, shell_word(run.folder), run.run.name);
}

void print_status(const StudyPlan& plan) {
  const QueuedTasks queued = tasks_in_queue(plan);
  size_t trained = 0;
  for (const PlannedRun& run : plan.runs) {
    const bool done = plan.is_trained(run);
    trained += done;
    const auto state = queued.states.find(run.folder);
    fmt::print("{:<9} {}{}\n",
               done                 ? "trained"
               : plan.is_begun(run) ? "begun"
                                    : "waiting",
               run.run.name, state == queued.states.end() ? "" : fmt::format(" ({} in Slurm)", state->second));
  }
  fmt::print("{} of {} runs are trained\n", trained, plan.runs.size());
}

// Error if the audio of a corpus has changed since a run was trained on it: its name and settings would be the same.
void check_audio(const StudyPlan& plan) {
  std::map<std::vector<std::string>, std::vector<Path>> by_tables;
  for (const PlannedRun& run : plan.runs)
    if (plan.is_trained(run)) by_tables[run.corpora()].push_back(plan.run_folder(run));
  std::string changed;
  for (const auto& [tables, runs] : by_tables) {
    const Clips clips = clips_of_classes(tables, "", {}, skipped_clips(runs.front()));
    for (const Path& run : trained_on_other_audio(runs, clips, thread_count({})))
      changed += (changed.empty() ? "" : ", ") + run.string();
  }
  if (!changed.empty())
    fail(
        "{}: trained on other audio than the tables name now: remove these folders to train them again, or bring the "
        "audio back",
        changed);
}

// Says so if the number of seeds rules out every verdict.
void tell_of_two_seeds(const StudyPlan& plan) {
  if (plan.study.baseline && std::ranges::any_of(plan.runs, [](const PlannedRun& run) { return run.seeds == 2; }))
    log_line(
        "two trainings of a fold give no interval and no p value, so these runs get no verdict: set seeds = 3 or more");
}

// The run that --only names: its number or its folder.
const PlannedRun& chosen_run(const StudyPlan& plan, const std::string& only) {
  for (const PlannedRun& run : plan.runs)
    if (run.folder == only) return run;
  const auto number = parse_number<size_t>(only);
  if (!number || *number >= plan.runs.size())
    throw UsageError(fmt::format("--only {}: the runs are 0 to {}, or the names that --list prints", shown(only),
                                 plan.runs.size() - 1));
  return plan.runs[*number];
}

void study(const StudyArguments& a) {
  if (a.list + a.status + a.slurm + !a.only.empty() > 1)
    throw UsageError("--list, --status, --slurm and --only exclude each other: give one of them");
  const StudyPlan plan = plan_study(a.file, a.out);
  if (a.list) return list(plan, a);
  if (a.status) return print_status(plan);
  const PlannedRun* only = a.only.empty() ? nullptr : &chosen_run(plan, a.only);
  if (a.slurm) check_slurm();
  const StudyLock lock(plan, /*exclusive=*/!only && !a.slurm);
  tell_of_two_seeds(plan);
  if (a.slurm) return submit_study(plan, a.file, a.out, a.jobs);
  const InterruptMessage message("interrupted: the same command goes on");
  if (only) {
    if (plan.is_trained(*only)) return log_line(fmt::format("{} is trained already", only->run.name));
    open_study(plan);
    return train_run(plan, *only, a.jobs);
  }
  check_audio(plan);
  if (std::ranges::any_of(plan.runs, [&](const PlannedRun& run) { return !plan.is_trained(run); })) {
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
  command->add_option("--only", a->only, "train only this run, no report: its number (from 0) or its name in --list")
      ->default_str("");
  add_number(*command, "--jobs", a->jobs, Range<int64_t>{1, 1024}, "trainings of a run side by side");
  command->callback([a] { study(*a); });
}

}  // namespace loralens
