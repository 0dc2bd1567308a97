// SPDX-License-Identifier: Apache-2.0
// Kinds of input that the fuzzer damages, how it damages them, and which commands read them.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "fuzz/process.h"

namespace loralens::fuzz {

struct Kind {
  std::string name;
  int weight;  // relative frequency
  // One of these files, or of the files below these folders, is damaged; empty: the command line is damaged.
  std::vector<std::string> files;
  std::vector<Words> commands;  // one is run; "{}" is the damaged file; each must succeed with undamaged inputs
};

const std::vector<Kind>& kinds();

// The files of a kind as sorted paths relative to `inputs`.
std::vector<std::string> files_of(const Kind& kind, const Path& inputs);

// Damages a file according to the format that its name indicates. `donor`: another file, parts of which may be
// inserted.
void damage(const Path& file, const Path& donor, Random& random);

// Adds one to three of a command's own options with unusual values, except options that name outputs or devices, and
// options whose larger values ask for more work or threads.
void damage(Words& command, Random& random);

// `command` with "{}" replaced by the file's name.
Words with_file(const Words& command, const std::string& file);

}  // namespace loralens::fuzz
