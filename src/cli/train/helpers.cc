// SPDX-License-Identifier: Apache-2.0
#include "cli/train/helpers.h"

#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "base/progress.h"
#include "cli/processes.h"
#include "cli/train/module_flags.h"
#include "training/objective/auxiliary_head.h"

namespace loralens {
namespace {

constexpr std::string_view failed = "error: ";

// Gives each process of a host a GPU of its own, as far as there are enough.
void choose_gpu(MachineOptions& machine, int64_t rank_on_host) {
  if ((machine.device != "auto" && machine.device != "cuda") || !at::globalContext().hasCUDA()) return;
  machine.device = fmt::format("cuda:{}", rank_on_host % c10::impl::VirtualGuardImpl(c10::kCUDA).deviceCount());
}

}  // namespace

void join_processes(TrainArguments& a) {
  const Launch started = launch();
  if (started.size == 1) return;
  if (a.parts.jobs() > 1)
    throw_usage("--jobs {} starts processes of its own, and {} started {}: give one of the two", a.parts.jobs(),
                started.by, started.size);
  if (const auto specialization = parse_specialization(a.run.train.specialize); specialization && specialization->late)
    throw_usage(
        "--specialize {} reads the mean of each whole batch, and {} processes share a batch: start it without {}",
        a.run.train.specialize, started.size, started.by);
  Processes& joined = processes();
  a.run.processes = &joined;
  if (a.machine.threads == 0) a.machine.threads = static_cast<int>(joined.cores());
  choose_gpu(a.machine, joined.rank_on_host());
  a.run.source.threads = thread_count(a.machine);
  if (!joined.leads()) a.machine.profile.clear();
  log_line(fmt::format("{} processes, {} {} each", joined.size(), thread_count(a.machine),
                       thread_count(a.machine) == 1 ? "thread" : "threads"));
}

void check_helpers(Processes& processes, const TrainingInputs& inputs) {
  if (processes.size() == 1) return;
  const std::string own = digest_of(inputs);
  const auto answers = processes.texts(own);
  for (size_t r = 1; r < answers.size(); ++r) {
    if (answers[r].starts_with(failed)) fail("process {}: {}", r, answers[r].substr(failed.size()));
    if (answers[r] != own)
      fail(
          "process {} trains something else than process 0: give all processes the same loralens, command, tables and "
          "base model, and --precision if their processors differ",
          r);
  }
}

void send_helpers_away(Processes& processes) {
  processes.texts("");
  dismiss_helpers(processes);
}

bool offer_help(Processes& processes, const TrainingInputs& inputs, const std::string& error) {
  processes.texts(error.empty() ? digest_of(inputs) : std::string(failed) + error);
  if (error.empty()) return true;
  processes.text_of_first("");  // process 0 fails with this error, or dismisses this process
  return false;
}

}  // namespace loralens
