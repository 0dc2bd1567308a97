// SPDX-License-Identifier: Apache-2.0
#include "cli/study/slurm.h"

#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/files.h"
#include "base/progress.h"
#include "base/range.h"
#include "base/shell.h"
#include "base/text.h"
#include "cli/study/program.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

struct Output {
  int status = -1;
  std::string text;
};

// Runs a shell command; its output is cut after 1 MiB.
Output output_of(const std::string& command) {
  constexpr size_t most = 1 << 20;
  Output output;
  FILE* pipe = ::popen(command.c_str(), "r");  // NOLINT(bugprone-command-processor): words of users are quoted
  if (!pipe) fail("cannot start a shell for {}", command);
  char buffer[4096];
  for (size_t read; (read = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    if (output.text.size() < most) output.text.append(buffer, read);
  const int status = ::pclose(pipe);
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  while (output.text.ends_with('\n')) output.text.pop_back();
  return output;
}

// The name of the study's jobs, which differs between folders.
std::string job_name(const StudyPlan& plan) {
  Sha256 digest;
  digest.add(fs::absolute(plan.out).lexically_normal().string());
  return "loralens-" + digest.hex().substr(0, 10);
}

// Submits a script; returns the job's number. sbatch may print warnings beside it.
std::string submit(const Path& script, const std::string& flags) {
  const Output output = output_of(fmt::format("sbatch --parsable {} {} 2>&1", flags, shell_word(script.string())));
  std::string number;
  for (const std::string& line : lines_of(output.text)) {
    const std::string word = line.substr(0, line.find(';'));
    if (parse_number<uint64_t>(word))
      number = word;
    else if (!word.empty())
      log_line(shown(line));
  }
  if (output.status != 0 || number.empty()) fail("sbatch failed with exit status {}", output.status);
  return number;
}

// The folders of all runs that were ever submitted; a run's line is the number of its task, whatever the study file
// holds later.
Path task_list(const StudyPlan& plan) { return plan.folder() / "tasks.txt"; }

std::vector<std::string> listed_tasks(const StudyPlan& plan) {
  std::vector<std::string> tasks;
  if (!fs::exists(task_list(plan))) return tasks;
  for (std::string& line : lines_of(read_text(task_list(plan))))
    if (!line.empty()) tasks.push_back(std::move(line));
  return tasks;
}

std::string script(const StudyPlan& plan, const std::string& command) {
  std::string text = fmt::format("#!/bin/bash\n#SBATCH --job-name={}\n", job_name(plan));
  for (const TomlKey& option : plan.study.slurm)
    for (const std::string& value : option.values)
      if (value != "false")
        text += value == "true" ? fmt::format("#SBATCH --{}\n", option.name)
                                : fmt::format("#SBATCH --{}={}\n", option.name, value);
  return text + command;
}

}  // namespace

void check_slurm() {
  if (output_of("command -v sbatch").status != 0)
    fail("there is no sbatch: give --slurm where Slurm is installed; --list prints the commands for other engines");
}

void submit_study(const StudyPlan& plan, const std::string& file, const std::string& out, int64_t jobs) {
  QueuedTasks queued = tasks_in_queue(plan);
  open_study(plan);
  std::vector<std::string> listed = listed_tasks(plan);
  std::vector<size_t> tasks;
  for (const PlannedRun& run : plan.runs) {
    if (plan.is_trained(run) || queued.states.contains(run.folder)) continue;
    const auto known = std::ranges::find(listed, run.folder);
    tasks.push_back(known - listed.begin());
    if (known == listed.end()) listed.push_back(run.folder);
  }
  write_file(task_list(plan), fmt::format("{}\n", fmt::join(listed, "\n")));
  const Path folder = fs::absolute(plan.folder());
  const std::string command = fmt::format("{} --jobs {}", study_command(file, out), jobs);
  write_file(folder / "tasks.sh",
             script(plan, fmt::format("run=$(sed -n \"$((SLURM_ARRAY_TASK_ID + 1))p\" {})\nexec {} --only \"$run\"\n",
                                      shell_word((folder / "tasks.txt").string()), command)));
  write_file(folder / "report.sh", script(plan, fmt::format("exec {}\n", command)));
  const std::string log = shell_word((folder / "slurm-%A-%a.log").string());
  if (tasks.empty() && !queued.jobs.empty()) return log_line("all runs are trained or in the queue");
  if (!tasks.empty()) {
    const std::string job =
        submit(folder / "tasks.sh", fmt::format("--array={} --output={}", fmt::join(tasks, ","), log));
    fmt::print("job {}: {} of {} runs\n", job, tasks.size(), plan.runs.size());
    queued.jobs.insert(job);
  }
  const std::string condition = queued.jobs.empty() ? ""
                                                    : fmt::format("--dependency=afterok:{} --kill-on-invalid-dep=yes",
                                                                  fmt::join(queued.jobs, ":"));
  const std::string report =
      submit(folder / "report.sh", fmt::format("{} --job-name={}-report --output={}", condition, job_name(plan),
                                               shell_word((fs::absolute(plan.out).string() + "-report.log"))));
  fmt::print("job {}: the report\n", report);
}

QueuedTasks tasks_in_queue(const StudyPlan& plan) {
  QueuedTasks queued;
  const Output output =
      output_of(fmt::format("squeue --noheader --array --name={} --format='%F %K %T' 2>/dev/null", job_name(plan)));
  if (output.status != 0) return queued;
  const std::vector<std::string> listed = listed_tasks(plan);
  for (const std::string& line : lines_of(output.text)) {
    const auto words = split(line, ' ');
    if (words.size() != 3) continue;
    const auto number = parse_number<size_t>(words[1]);
    if (!number || *number >= listed.size()) continue;
    queued.jobs.insert(words[0]);
    queued.states[listed[*number]] = words[2];
  }
  return queued;
}

}  // namespace loralens
