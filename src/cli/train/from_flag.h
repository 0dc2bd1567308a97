// SPDX-License-Identifier: Apache-2.0
// The flag --from of `train`: the training starts from an adapter, which then decides method, modules and ranks.
#pragma once

#include <CLI/CLI.hpp>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/train/adapter_flags.h"
#include "training/run.h"

namespace loralens {

class FromFlag {
 public:
  void add(CLI::App& command);

  bool given() const { return !name_.empty(); }
  // SHA-256 of the adapter's files.
  std::string sha256() const { return sha256_of_model(folder_); }

  // Reads the adapter's settings and sets the flags --method, --model, --read-out and --base-precision to them unless
  // they are given. Call it before the preset is applied. given: names of the flags on the command line or in the
  // configuration file. Error of single_model(); UsageError for another --method, and for --read-out logistic.
  void read(CLI::App& command, const std::set<std::string>& given);

  // The adapter's options, with the flags for options that its files do not record. Call it before the preset is
  // applied. given: names of the flags on the command line itself. UsageError for a flag among these that the method
  // does not have.
  AdapterOptions options(CLI::App& command, const AdapterFlags& flags, const std::set<std::string>& given) const;

  // The names of the flags whose values come from the adapter, for a training with these classes.
  std::vector<std::string> replaced_flags(const std::vector<std::string>& classes) const;

  // Loads the adapter into run.start, and its head's shape into run.head. Logs if the input options differ from the
  // adapter's. UsageError for given flags that contradict the adapter.
  void open(CLI::App& command, const AdapterFlags& flags, const Base& base, const std::vector<std::string>& classes,
            RunOptions& run) const;

  // Error if the adapter was trained on clips of test or development parts or on their speakers, unless leaks are
  // allowed. Sets the counts in `run` for metrics.json.
  void check_leaks(const Clips& clips, const std::vector<Fold>& folds, const std::vector<Recording>& recordings,
                   bool allow_leaks, RunOptions& run) const;

 private:
  bool keeps_head(const std::vector<std::string>& classes) const { return saved_.classes == classes; }

  std::string name_;
  Path folder_;
  SavedModel saved_;
  std::set<std::string> given_;
};

}  // namespace loralens
