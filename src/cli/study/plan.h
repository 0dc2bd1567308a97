// SPDX-License-Identifier: Apache-2.0
// The runs of a study: their command lines, their folders, and which of them are trained.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "study/study_file.h"

namespace loralens {

struct PlannedRun {
  StudyRun run;
  std::vector<std::string> words;  // of the program, without -o and --jobs: "train", "--rank=4", ...
  // Its name with eight digits of the SHA-256 of its inputs, so that a run with other settings has another folder.
  std::string folder;
  std::string digest;  // of its inputs
  int64_t trainings = 0;  // folds times seeds
  int64_t seeds = 1;

  std::vector<std::string> corpora() const;  // its tables of clips
};

// A study in its output folder DIR: DIR.partial while runs are missing. runs/ holds the runs, analyses/ their analyses.
struct StudyPlan {
  static constexpr const char* lock_name = ".lock";  // in its folder; locked while a command works there

  Study study;
  Path file, out;
  std::vector<PlannedRun> runs;

  // DIR.partial, or DIR if that is not there.
  Path folder() const;
  Path run_folder(const PlannedRun& run) const { return folder() / "runs" / run.folder; }
  bool is_trained(const PlannedRun& run) const;
  // Whether the run was begun, can be resumed and is not finished.
  bool is_begun(const PlannedRun& run) const;
};

// Reads a study file and checks all its runs without training. Error, with the line of the flag where one is to blame.
// Error if DIR or DIR.partial is no folder of a study, if both exist, if the file lies in one of them, or if two runs
// have the same inputs.
StudyPlan plan_study(const Path& file, const Path& out);

// Flags as words of a command line: "--rank=4".
std::vector<std::string> words_of(const std::vector<TomlKey>& flags);

// Makes DIR.partial with a copy of the study file, or makes it of DIR.
void open_study(const StudyPlan& plan);

// Writes the copy of the study file into the study's folder.
void write_copy(const StudyPlan& plan);

}  // namespace loralens
