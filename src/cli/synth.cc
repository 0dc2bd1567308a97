// SPDX-License-Identifier: Apache-2.0
// loralens synth: makes a small synthetic corpus with espeak-ng.
#include "base/error.h"
#include "base/output.h"
#include "cli/commands.h"
#include "cli/numbers.h"
#include "cli/own_files.h"
#include "corpus/synthetic/synthetic.h"

namespace loralens {

void add_synth(CLI::App& app) {
  struct Arguments {
    std::string out;
    SyntheticOptions options;
    bool force = false;
  };
  auto arguments = std::make_shared<Arguments>();
  auto* command = app.add_subcommand("synth",
                                     "Makes a small SYNTHETIC emotional corpus with espeak-ng: to try the program, "
                                     "not for results.\n\nExample: loralens synth -o synthetic");
  command->add_option("-o,--output", arguments->out, "folder to write: audio/ and clips.csv")->required();
  add_number(*command, "--seed", arguments->options.seed, {0, INT64_MAX}, "random seed");
  add_number(*command, "--voices", arguments->options.voices, {1, 12}, "speakers");
  add_number(*command, "--sentences", arguments->options.sentences, {1, 12}, "texts");
  command->add_flag("--force", arguments->force, "replace the folder if loralens wrote it");
  command->callback([arguments] {
    OutputFolder out(arguments->out, arguments->force, complaint_about_folder);
    write_synthetic_corpus(out.path(), arguments->options);
    out.commit();
    fmt::print("{}\n", (Path(arguments->out) / "clips.csv").string());
  });
}

}  // namespace loralens
