// SPDX-License-Identifier: Apache-2.0
#include "cli/processes.h"

#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>

#include "base/error.h"
#include "base/progress.h"
#include "base/range.h"
#include "cli/config.h"

namespace loralens {
namespace {

// MPI is a state of the whole process: it can be started once, and ends with the process.
std::unique_ptr<Processes> connected;
bool each_for_itself = false;  // predict --shard

int64_t number_in(const char* variable, int64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? parse_number<int64_t>(text).value_or(otherwise) : otherwise;
}

}  // namespace

Launch launch() {
  struct Launcher {
    const char *rank, *size;
    std::string_view name;
  };
  constexpr Launcher launchers[] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "mpirun"},  // OpenMPI
                                    {"PMI_RANK", "PMI_SIZE", "mpirun"},  // MPICH and its relatives
                                    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "srun"}};
  for (const Launcher& launcher : launchers)
    if (const int64_t size = number_in(launcher.size, 0); size > 1)
      return {.rank = number_in(launcher.rank, 0), .size = size, .by = launcher.name};
  return {};
}

void check_launch(const CLI::App& app) {
  const Launch started = launch();
  if (started.size == 1 || app.get_subcommands().empty()) return;
  const CLI::App& command = *app.get_subcommands().front();
  const std::string name = command.get_name();
  if (name == "train" && !flags_given(command).contains("--merge")) return;
  each_for_itself = name == "predict" && flags_given(command).contains("--shard");
  if (!each_for_itself)
    throw UsageError(fmt::format("{} runs in one process, and {} started {}: start it without {}{}", name, started.by,
                                 started.size, started.by,
                                 name == "predict" ? ", or give each process its --shard I/N" : ""));
}

Processes& processes() {
  const Launch started = launch();
  if (started.size == 1) return one_process();
  if (connected) return *connected;
  auto joined = connect_processes();
  if (joined->size() != started.size)
    fail("{} started {} processes, but MPI connects {}: {}", started.by, started.size, joined->size(),
         started.by == "srun" ? "give srun the --mpi of this MPI, such as --mpi=pmix"
                              : "use the mpirun of the MPI with which loralens was built");
  connected = std::move(joined);
  if (!connected->leads()) set_quiet(true);
  return *connected;
}

int end_with_error(std::string_view message, int status) {
  const Launch started = launch();
  const bool together = started.size > 1 && !each_for_itself;
  if (!together || started.rank == 0) {
    write_to_standard_error(fmt::format("loralens: {}\n", message));
  } else {
    // Process 0 prints an error that all have, and then ends this process. A launcher that sees this one end first
    // would end process 0 before it has printed. An error of this process alone is printed here after a while.
    std::this_thread::sleep_for(std::chrono::seconds(connected ? 10 : 2));
    if (connected) write_to_standard_error(fmt::format("loralens: process {}: {}\n", started.rank, message));
  }
  if (connected) connected->abort(status);
  return status;
}

}  // namespace loralens
