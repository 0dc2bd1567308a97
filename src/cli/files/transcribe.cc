// SPDX-License-Identifier: Apache-2.0
// loralens transcribe: transcribes audio files by greedy decoding; prints one JSON line per file.
#include "base/error.h"
#include "base/progress.h"
#include "cli/clips.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/machine.h"
#include "cli/numbers.h"
#include "results/run_folder.h"
#include "study/open_transcriber.h"

namespace loralens {
namespace {

struct TranscribeArguments {
  TranscriptionRequest request;
  std::vector<std::string> files;
  int64_t fold = -1;  // -1: not given
  MachineOptions machine;
};

void print(const FileTranscript& file) {
  print_file(file,
             {{"text", file.text}, {"language", file.language}, {"tokens", file.tokens}, {"seconds", file.seconds}});
}

// The request with the run's fold in place of the run.
TranscriptionRequest request_of(const TranscribeArguments& a) {
  TranscriptionRequest request = a.request;
  if (a.fold < 0) return request;
  if (request.adapter.empty()) throw UsageError("--fold chooses a model of a run: give the run with --adapter");
  const Path folder = Path(request.adapter) / fold_name(a.fold);
  if (!is_model_folder(folder)) fail("--fold {}: there is no model {}", a.fold, folder.string());
  request.adapter = folder.string();
  return request;
}

void transcribe(const TranscribeArguments& a) {
  const Transcriber model = open_transcriber(request_of(a), compute_of(a.machine));
  size_t failed = 0, all = 0;
  transcribe_files(model, audio_paths(a.files), thread_count(a.machine), [&](const FileTranscript& file) {
    ++all;
    failed += !file.error.empty();
    print(file);
  });
  if (failed > 0) fail("{} of {} files could not be read: \"error\" in their lines says why", failed, all);
}

}  // namespace

void add_transcribe(CLI::App& app) {
  auto a = std::make_shared<TranscribeArguments>();
  auto* command = app.add_subcommand(
      "transcribe",
      "Prints a JSON line per audio file: text, language, tokens, length. Decodes greedily, without timestamps; the\n"
      "encoder is that of the model, or adapted by --adapter, to compare the texts before and after an adaptation.\n"
      "Audio over 30 s is cut into windows of 30 s, whose texts are joined; a word at a cut may be lost. A file that\n"
      "cannot be read gets an \"error\" and the exit status is 1; the other files are still transcribed.\n\n"
      "Examples:\n"
      "  loralens transcribe base a.wav b.flac\n"
      "  loralens transcribe base a.wav --adapter run/fold-00\n"
      "  find . -name '*.wav' | loralens transcribe base - --language de");
  command->option_defaults()->always_capture_default();
  command->add_option("model", a->request.model, "Whisper model: a name such as base, a Hugging Face id or a folder")
      ->required();
  command->add_option("files", a->files, "audio files; - reads paths from standard input")->required();
  command->add_option(
      "--adapter", a->request.adapter,
      "adapts the encoder: a model of a run (run/fold-00), a run with one final model, or a PEFT folder");
  add_number(*command, "--fold", a->fold, {0, 9999}, "with --adapter RUN: the model of this fold")->default_str("");
  command
      ->add_option("--language", a->request.language,
                   "code of the language spoken, such as de; without it the model detects the language of each file")
      ->default_str("");
  add_machine_options(*command, a->machine, /*gradients=*/false);
  add_config_option(*command);
  command->callback([a, command] {
    apply_config(*command);
    transcribe(*a);
  });
}

}  // namespace loralens
