// SPDX-License-Identifier: Apache-2.0
// What is damaged, how, and which commands read it.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "fuzz/process.h"

namespace loralens::fuzz {

struct Kind {
  std::string name;
  int weight;  // how often, beside the others
  std::vector<std::string>
      files;  // one is damaged: files, or folders for all the files below them; none: the command line is
  std::vector<Words> commands;  // one is run; "{}" is the damaged file, and each takes the good inputs without an error
};

const std::vector<Kind>& kinds();

// The files of a kind by their paths below `inputs`, sorted.
std::vector<std::string> files_of(const Kind& kind, const Path& inputs);

// Damages a file by what its name says that it holds. `donor`: another file, parts of which may come in.
void damage(const Path& file, const Path& donor, Random& random);

// Gives a command one to three more options of its own with odd values. Left out are those that name outputs, and those
// that ask for more work or more threads the larger they are.
void damage(Words& command, Random& random);

// `command` with the file's name for "{}".
Words with_file(const Words& command, const std::string& file);

}  // namespace loralens::fuzz
