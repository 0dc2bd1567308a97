// SPDX-License-Identifier: Apache-2.0
// The flags of `loralens train` for the emotion head: the hidden states that it reads, its size, and how it is fitted.
#pragma once

#include <CLI/CLI.hpp>

#include <set>
#include <string>
#include <vector>

#include "classifier/head.h"
#include "results/protocol.h"
#include "training/train_options.h"

namespace loralens {

class HeadFlags {
 public:
  // Adds the flags to a command. This object must outlive the parsing of the command line.
  void add(CLI::App& command);

  // The options that the parsed flags give. given: names of the flags on the command line itself. UsageError for
  // --read-out logistic on the command line with a method that trains the encoder, and for a logistic head with a
  // selection on the test part.
  HeadOptions options(const std::string& method, const Protocol& protocol, Selection selection,
                      const std::set<std::string>& given) const;

  // The flags of `train` that have no effect on a head by logistic regression.
  static std::vector<std::string> unused_by_logistic();

 private:
  HeadOptions head_;
  std::string read_out_ = "auto";
};

}  // namespace loralens
