// SPDX-License-Identifier: Apache-2.0
// Runs the trainings of a study as tasks of a Slurm job array.
#pragma once

#include <map>
#include <set>
#include <string>

#include "cli/study/plan.h"

namespace loralens {

// Error if there is no sbatch.
void check_slurm();

// Submits one task for each run that is neither trained nor in the queue, and a job that makes the report once all
// tasks in the queue have succeeded; prints the numbers of both jobs. file, out: the study file and the output folder,
// as on the command line; jobs: the value of --jobs. Error if sbatch fails.
void submit_study(const StudyPlan& plan, const std::string& file, const std::string& out, int64_t jobs);

// The study's tasks in Slurm's queue.
struct QueuedTasks {
  std::map<std::string, std::string> states;  // "PENDING", "RUNNING", by the run's folder
  std::set<std::string> jobs;                 // numbers of their arrays
};

// Empty where there is no Slurm.
QueuedTasks tasks_in_queue(const StudyPlan& plan);

}  // namespace loralens
