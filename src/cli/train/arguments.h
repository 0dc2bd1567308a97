// SPDX-License-Identifier: Apache-2.0
// The arguments of `loralens train`, and their resolution: protocol, preset, the adapter of --from and method decide
// the values that are not given.
#pragma once

#include <CLI/CLI.hpp>

#include <set>
#include <string>
#include <vector>

#include "cli/machine.h"
#include "cli/train/adapter_flags.h"
#include "cli/train/from_flag.h"
#include "cli/train/head_flags.h"
#include "cli/train/part_flags.h"
#include "training/run.h"

namespace loralens {

// A training that was checked and not started.
struct ResolvedTraining {
  std::string digest;  // digest_of() its inputs
  int64_t folds = 0, seeds = 1;
};

struct TrainArguments {
  std::vector<std::string> corpora;
  std::string model = "base", out, resume, merge, labels, preset{strict_protocol.preset},
              protocol{strict_protocol.name};
  std::string select = "auto", base_precision = "auto";
  AdapterFlags adapter;
  FromFlag from;
  HeadFlags head;
  FoldOptions folds;
  RunOptions run;
  MachineOptions machine;
  PartFlags parts;
  int64_t cache_megabytes = 400;
  bool force = false, resuming = false, skip_unreadable = false, dry_run = false;
  ResolvedTraining* resolved = nullptr;  // where the resolved training goes; the command then trains nothing
};

// Names of the given flags, such as "--rank".
struct GivenFlags {
  std::set<std::string> command_line;  // on the command line itself
  std::set<std::string> anywhere;  // there or in the configuration file
};

// Sets the fields of `a.run` and the flags that are not given. UsageError for flags that contradict each other.
void resolve(CLI::App& command, TrainArguments& a, const GivenFlags& given);

// UsageError if --recompute is given for a head, the adapter's of --from or a new one, that reads every layer.
void check_recompute(const RunOptions& run);

// Logs flags that have no effect with the chosen method, input or selection.
void tell_of_unused(const GivenFlags& given, const TrainArguments& a);

// The resolved flags of the run, for its config.toml.
std::string config_of(const CLI::App& command, const TrainArguments& a, const Clips& clips);

}  // namespace loralens
