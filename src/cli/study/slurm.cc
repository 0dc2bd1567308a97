// SPDX-License-Identifier: Apache-2.0
#include "cli/study/slurm.h"

#include <sys/wait.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/progress.h"
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

// Submits a script; returns the job's number.
std::string submit(const Path& script, const std::string& flags) {
  const Output output = output_of(fmt::format("sbatch --parsable {} {} 2>&1", flags, shell_word(script.string())));
  if (output.status == 127)
    fail("there is no sbatch: give --slurm where Slurm is installed; --list prints the commands for other engines");
  if (output.status != 0) fail("sbatch: {}", shown(output.text));
  return output.text.substr(0, output.text.find(';'));
}

std::string script(const StudyPlan& plan, const std::string& command) {
  std::string text = fmt::format("#!/bin/bash\n#SBATCH --job-name={}\n", job_name(plan));
  for (const TomlKey& option : plan.study.slurm)
    for (const std::string& value : option.values)
      text += value == "true" ? fmt::format("#SBATCH --{}\n", option.name)
                              : fmt::format("#SBATCH --{}={}\n", option.name, value);
  return text + fmt::format("exec {}\n", command);
}

}  // namespace

void submit_study(const StudyPlan& plan, const std::string& file, const std::string& out, int64_t jobs) {
  const auto queued = states_in_queue(plan);
  std::vector<size_t> tasks;
  for (size_t i = 0; i < plan.runs.size(); ++i)
    if (!plan.is_trained(plan.runs[i]) && !queued.contains(i)) tasks.push_back(i);
  open_study(plan);
  const Path folder = fs::absolute(plan.folder());
  const std::string command = fmt::format("{} --jobs {}", study_command(file, out), jobs);
  write_file(folder / "tasks.sh", script(plan, command + " --only \"$SLURM_ARRAY_TASK_ID\""));
  write_file(folder / "report.sh", script(plan, command));
  const std::string log = shell_word((folder / "slurm-%A-%a.log").string());
  std::string condition;
  if (!tasks.empty()) {
    const std::string job =
        submit(folder / "tasks.sh", fmt::format("--array={} --output={}", fmt::join(tasks, ","), log));
    fmt::print("job {}: {} of {} runs\n", job, tasks.size(), plan.runs.size());
    condition = fmt::format("--dependency=afterok:{} --kill-on-invalid-dep=yes", job);
  } else if (!queued.empty()) {
    return log_line("all runs are trained or in the queue");
  }
  const std::string report =
      submit(folder / "report.sh", fmt::format("{} --job-name={}-report --output={}", condition, job_name(plan),
                                               shell_word((fs::absolute(plan.out).string() + "-report.log"))));
  fmt::print("job {}: the report\n", report);
}

std::map<size_t, std::string> states_in_queue(const StudyPlan& plan) {
  std::map<size_t, std::string> states;
  const Output output =
      output_of(fmt::format("squeue --noheader --array --name={} --format='%K %T' 2>/dev/null", job_name(plan)));
  if (output.status != 0) return states;
  for (const std::string& line : split(output.text, '\n')) {
    const size_t space = line.find(' ');
    if (const auto number = parse_number<size_t>(line.substr(0, space)); number && space != std::string::npos)
      states[*number] = line.substr(space + 1);
  }
  return states;
}

}  // namespace loralens
