// SPDX-License-Identifier: Apache-2.0
// The commands of the program: each file of this folder adds one to the command line and implements it.
#pragma once

#include <CLI/CLI.hpp>

#include "base/error.h"

namespace loralens {

void add_fetch(CLI::App& app);
void add_import(CLI::App& app);
void add_corpus(CLI::App& app);
void add_audit(CLI::App& app);
void add_synth(CLI::App& app);
void add_train(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_predict(CLI::App& app);
void add_transcribe(CLI::App& app);
void add_embed(CLI::App& app);
void add_analyze(CLI::App& app);
void add_report(CLI::App& app);
void add_study(CLI::App& app);
void add_completion(CLI::App& app);  // the commands completion and man, which describe all others

}  // namespace loralens
