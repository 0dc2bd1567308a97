// SPDX-License-Identifier: Apache-2.0
// loralens corpus: converts a public corpus to a table of clips. Each reader is a subcommand with its own options.
#include "base/error.h"
#include "base/output.h"
#include "cli/commands.h"
#include "cli/own_files.h"
#include "corpus/readers/readers.h"

namespace loralens {
namespace {

struct CorpusArguments {
  std::string root, out;
  ReaderOptions options;
  bool force = false;
};

void write_corpus(const Reader& reader, const CorpusArguments& a) {
  // If root is a folder, the table may replace a table in it, which readers do not read. If root is a file, it must not
  // be replaced.
  if (a.force && std::filesystem::is_regular_file(a.root)) check_inputs_stay(a.out, {a.root});
  check_output_file(a.out, a.force, complaint_about_table);
  ReaderOptions options = a.options;
  options.audio_folder = Path(a.out).parent_path() / (Path(a.out).stem().string() + "-audio");
  options.replace_audio = a.force;
  const ReadCorpus corpus = read_corpus(reader.name(), a.root, options);
  try {
    write_clips(a.out, corpus.clips);
  } catch (const Error&) {
    if (!a.force && !corpus.audio_folder.empty()) std::filesystem::remove_all(corpus.audio_folder);
    throw;
  }
  fmt::print("{}", corpus.summary);
}

std::string complaint_about_labels(const std::string& labels) {
  return error_of([&] {
    if (labels != "default") label_map_of(labels);
  });
}

void add_reader_option(CLI::App& command, const ReaderOption& option, ReaderOptions& options) {
  if (const auto* flag = std::get_if<bool ReaderOptions::*>(&option.value)) {
    command.add_flag(option.flag, options.**flag, option.description);
    return;
  }
  auto* added = command.add_option(option.flag, options.*std::get<std::string ReaderOptions::*>(option.value),
                                   option.description);
  if (option.complaint) added->check(option.complaint);
}

void add_reader(CLI::App& corpus, const Reader& reader) {
  auto a = std::make_shared<CorpusArguments>();
  auto* command = corpus.add_subcommand(reader.name(), reader.description())->group("Readers");
  command->add_option("root", a->root, "folder of the corpus (reader table: the user's file)")->required();
  command->add_option("-o,--output", a->out, "the table to write")->required();
  command
      ->add_option("--labels", a->options.labels,
                   "default: the reader's own; four (anger happiness neutral sadness); seven (and disgust fear\n"
                   "surprise); a list such as ang=anger,exc=happiness; * for all labels unchanged; or a file")
      ->check(complaint_about_labels);
  for (const auto& option : reader.options()) add_reader_option(*command, option, a->options);
  command->add_flag("--force", a->force,
                    "replace the table, and the folder of audio beside it, if loralens wrote them");
  command->callback([a, &reader] { write_corpus(reader, *a); });
}

}  // namespace

void add_corpus(CLI::App& app) {
  auto* command = app.add_subcommand(
      "corpus",
      "Reads a corpus as it is distributed and writes its table of clips; prints the counts per class, session and\n"
      "speaker, the clips left out and why, and differences from the published counts.\n\n"
      "Examples:\n"
      "  loralens corpus ravdess RAVDESS/ --labels four -o ravdess.csv\n"
      "  loralens corpus iemocap --help");
  command->require_subcommand(1);
  for (const Reader* reader : readers()) add_reader(*command, *reader);
}

}  // namespace loralens
