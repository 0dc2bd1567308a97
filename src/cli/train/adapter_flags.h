// SPDX-License-Identifier: Apache-2.0
// The flags of adaptation methods: those that methods share (targets, layers), and each method's own, which follow from
// its declarations (adapter/method_option.h). --method decides which of them the command line may contain.
#pragma once

#include <CLI/CLI.hpp>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "adapter/method.h"

namespace loralens {

class AdapterFlags {
 public:
  // Adds the flags to a command. This object must outlive the parsing of the command line.
  void add(CLI::App& command);

  // The options that the parsed flags give, without the layers (see choose_layers). given: names of the flags on the
  // command line, such as "--rank". UsageError for a flag among these that the method does not have, and for a value
  // that is not valid. Flags of a preset or configuration file that the method does not have are ignored.
  AdapterOptions options(CLI::App& command, const std::set<std::string>& given) const;

  const std::string& method() const { return method_; }  // the value of --method

  // UsageError if one of the given flags has another value than `saved`, the options of an existing adapter; flags that
  // choose modules may have any form that chooses the same ones. given: names of the given flags, such as "--rank".
  void check_same(CLI::App& command, const std::set<std::string>& given, const AdapterOptions& saved,
                  const WhisperConfig& config) const;

  // Sets the layers of --layers. UsageError if the options do not fit an encoder of this config (Method::check).
  void choose_layers(AdapterOptions& options, const WhisperConfig& config) const;

 private:
  std::string method_{AdapterOptions().method}, targets_ = "v_proj", pattern_, excluded_, layers_ = "all";
  std::map<std::string, std::string> texts_;  // methods' own options by name; switches are in switches_
  std::map<std::string, bool> switches_;
};

// The names of other methods' flags that this method does not have, without dashes.
std::vector<std::string> foreign_flags(const std::string& method);

}  // namespace loralens
