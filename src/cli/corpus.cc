// loralens corpus: a public corpus as a table of clips.
#include "base/error.h"
#include "cli/commands.h"
#include "corpus/readers.h"

namespace loralens {

void add_corpus(CLI::App& app) {
  struct Arguments {
    std::string reader, root, out;
    ReaderOptions options;
    bool force = false;
  };
  auto arguments = std::make_shared<Arguments>();
  std::string names;
  for (const Reader* reader : readers()) names += fmt::format("\n  {:<10} {}", reader->name(), reader->description());
  auto* command = app.add_subcommand(
      "corpus", "Reads a corpus as it is distributed and writes its table of clips.\n\nReaders:" + names +
                    "\n\nExample: loralens corpus ravdess RAVDESS/ --labels four -o ravdess.csv");
  command->add_option("reader", arguments->reader, "one of the readers above")->required();
  command->add_option("root", arguments->root, "the corpus's folder, or the user's table")->required();
  command->add_option("-o,--output", arguments->out, "the table to write")->required();
  command->add_option("--labels", arguments->options.labels,
                      "default; four (anger happiness neutral sadness); a list such as ang=anger,exc=happiness; "
                      "* for all as they are; or a file");
  command->add_option("--path-column", arguments->options.path_column, "of reader 'table'");
  command->add_option("--label-column", arguments->options.label_column, "of reader 'table'");
  command->add_option("--speaker-column", arguments->options.speaker_column, "of reader 'table'");
  command->add_flag("--force", arguments->force, "replace the table if it exists");
  command->callback([arguments] {
    if (!arguments->force && std::filesystem::exists(arguments->out))
      fail("{} exists already: choose another name, or give --force to replace it", arguments->out);
    const ReadCorpus corpus = read_corpus(arguments->reader, arguments->root, arguments->options);
    write_clips(arguments->out, corpus.clips);
    fmt::print("{}", corpus.summary);
  });
}

}  // namespace loralens
