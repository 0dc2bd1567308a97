// loralens synth: the embedded synthetic corpus.
#include "base/error.h"
#include "base/output.h"
#include "cli/commands.h"
#include "cli/own_files.h"
#include "corpus/synthetic.h"

namespace loralens {

void add_synth(CLI::App& app) {
  struct Arguments {
    std::string out;
    SyntheticOptions options;
    bool force = false;
  };
  auto arguments = std::make_shared<Arguments>();
  auto* command = app.add_subcommand("synth",
                                     "Makes a small SYNTHETIC emotional corpus with espeak-ng: for trying the program, "
                                     "not for results.\n\nExample: loralens synth -o synthetic");
  command->add_option("-o,--output", arguments->out, "folder to write: audio/ and clips.csv")->required();
  command->add_option("--seed", arguments->options.seed, "of everything that is drawn")
      ->check(CLI::Range(uint64_t{0}, uint64_t{INT64_MAX}));
  command->add_option("--voices", arguments->options.voices, "speakers, 1 to 12")->check(CLI::Range(1, 12));
  command->add_option("--sentences", arguments->options.sentences, "texts, 1 to 12")->check(CLI::Range(1, 12));
  command->add_flag("--force", arguments->force, "replace the folder if loralens wrote it");
  command->callback([arguments] {
    OutputFolder out(arguments->out, arguments->force, complaint_about_folder);
    write_synthetic_corpus(out.path(), arguments->options);
    out.commit();
    fmt::print("{}\n", (Path(arguments->out) / "clips.csv").string());
  });
}

}  // namespace loralens
