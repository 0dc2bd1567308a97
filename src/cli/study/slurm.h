// SPDX-License-Identifier: Apache-2.0
// Runs the trainings of a study as tasks of a Slurm job array.
#pragma once

#include <map>
#include <string>

#include "cli/study/plan.h"

namespace loralens {

// Submits one task for each run that is neither trained nor in the queue, and a job that makes the report once all
// tasks have succeeded; prints the numbers of both jobs. file, out: the study file and the output folder, as on the
// command line; jobs: the value of --jobs. Error if sbatch is missing or fails.
void submit_study(const StudyPlan& plan, const std::string& file, const std::string& out, int64_t jobs);

// Slurm's state ("PENDING", "RUNNING") of each run in the queue, by its number; empty where there is no Slurm.
std::map<size_t, std::string> states_in_queue(const StudyPlan& plan);

}  // namespace loralens
