// The commands of the program: each file adds one to the command line and does it.
#pragma once

#include <CLI/CLI.hpp>

namespace loralens {

void add_fetch(CLI::App& app);
void add_import(CLI::App& app);
void add_corpus(CLI::App& app);
void add_synth(CLI::App& app);
void add_train(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_predict(CLI::App& app);

// A command that ends with 1 although nothing was thrown, because part of its work failed and was said.
struct PartlyFailed {};

}  // namespace loralens
