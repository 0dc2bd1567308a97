// SPDX-License-Identifier: Apache-2.0
// loralens audit: checks a table of clips, its audio and its folds for errors such as leaks.
#include "corpus/audit/audit.h"

#include "base/error.h"
#include "base/output.h"
#include "base/progress.h"
#include "cli/clips.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/machine.h"
#include "cli/numbers.h"
#include "cli/own_files.h"
#include "cli/reads.h"
#include "corpus/labels.h"

namespace loralens {
namespace {

struct AuditArguments {
  std::string table, labels, out;
  FoldOptions folds{.scheme = "", .allow_leaks = true};  // the audit reports leaks
  MachineOptions machine;
  bool no_audio = false, no_development = false, force = false;
};

std::vector<Recording> read_all(const Clips& clips, int64_t threads) {
  Progress progress("reading clips", std::ssize(clips.clips));
  return examine(clips, threads, [&](int64_t done) { progress.step(done); });
}

void run_audit(const CLI::App& command, const AuditArguments& a) {
  if (!a.out.empty()) {
    if (a.force) check_inputs_stay(a.out, paths_of_flags(command));
    check_output_file(a.out, a.force, complaint_about_audit);
  }
  Clips clips = read_clips(a.table);
  if (!a.labels.empty()) apply_labels(clips, label_map_of(a.labels));
  std::vector<Fold> folds;
  const bool as_written = a.no_development || a.folds.scheme.starts_with("file:");
  if (!a.folds.scheme.empty()) folds = make_folds(clips, a.folds, !as_written);
  std::vector<Recording> recordings;
  if (!a.no_audio) recordings = read_all(clips, thread_count(a.machine));
  auto result = audit(clips, folds, recordings);
  result["table"] = a.table;
  result["scheme"] = a.folds.scheme;
  if (!a.out.empty()) write_file(a.out, result.dump(2) + "\n");
  fmt::print("{}", describe_audit(result));
}

// Puts file: in front of the path of a table of folds; any other scheme is unchanged.
std::string scheme_of(const std::string& text) {
  return std::filesystem::is_regular_file(text) ? "file:" + text : text;
}

}  // namespace

void add_audit(CLI::App& app) {
  auto a = std::make_shared<AuditArguments>();
  auto* command = app.add_subcommand(
      "audit",
      "Checks a table for problems that would falsify scores or harm training: speakers, sentences, files and\n"
      "audio shared by two parts of a fold, clips that are the same recording, contradictory labels, clipped,\n"
      "silent, over-long or unreadable audio. Prints a summary; -o writes all numbers.\n\n"
      "Errors are problems that train refuses: a speaker or the same audio in two parts of a fold, unknown\n"
      "speakers, unreadable audio. All other findings are remarks. The exit status is 0 when the audit is\n"
      "complete, whatever it found.\n\n"
      "Examples:\n"
      "  loralens audit clips.csv\n"
      "  loralens audit clips.csv --folds speaker:10 -o audit.json\n"
      "  loralens audit clips.csv --folds run/folds.csv --no-audio");
  command->option_defaults()->always_capture_default();
  command->add_option("table", a->table, "table of clips: path,label,speaker[,...]")->required();
  command->add_option("--folds", a->folds.scheme, "a folds.csv, used unchanged, or " + scheme_summary())
      ->check(scheme_error)
      ->transform(scheme_of);
  command->add_option("--labels", a->labels,
                      "four, seven, or a list such as ang=anger,exc=happiness; all if not given");
  add_number(*command, "--seed", a->folds.seed, {0, INT64_MAX}, "random seed of the folds, as in train");
  command->add_flag("--no-development", a->no_development,
                    "folds without development parts, as train --select last makes them");
  command->add_flag("--no-audio", a->no_audio, "do not read the audio");
  command->add_option("-o,--output", a->out, "JSON file for all numbers");
  command->add_flag("--force", a->force, "replace that file if loralens wrote it");
  add_number(*command, "--threads", a->machine.threads, {0, 1024},
             "threads that read audio; 0: as many as there are cores");
  add_config_option(*command);
  command->callback([a, command] {
    apply_config(*command);
    run_audit(*command, *a);
  });
}

}  // namespace loralens
