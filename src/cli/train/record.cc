// SPDX-License-Identifier: Apache-2.0
#include "cli/train/record.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/formats/toml.h"
#include "base/progress.h"
#include "corpus/audit/audit.h"
#include "corpus/labels.h"
#include "corpus/soft_labels.h"

namespace loralens {
namespace {

// Checks the recordings of all clips. Error if a recording is in two parts of a fold, whatever its names, unless leaks
// are allowed.
void check_audio(const Clips& clips, const std::vector<Fold>& folds, const TrainArguments& a,
                 const std::vector<Recording>& recordings) {
  check_readable(recordings, "--skip-unreadable leaves such clips out");
  tell_of_soundless(clips, recordings);
  if (a.folds.allow_leaks) return;
  if (const auto leak = audio_leak(clips, folds, recordings); !leak.empty())
    fail(
        "folds {}: {}: take one of them out of the table, choose other folds, or allow it with --allow-leaks (see "
        "loralens audit)",
        a.folds.scheme, leak);
}

// neutral_flags do not change a training's results (the precision is recorded separately); source_flags change them
// only through the files and models that they name.
constexpr const char* neutral_flags[] = {"threads",         "device",    "precision",
                                         "cache-megabytes", "recompute", "skip-unreadable"};
constexpr const char* source_flags[] = {"corpus", "labels", "folds", "model", "from"};

// The flags of a resolved configuration as text, a list's values joined by commas.
std::map<std::string, std::string> flags_of(const std::string& config) {
  const char* const name = "the configuration";
  const Flags read = parse_flags(config, name);
  std::map<std::string, std::string> flags;
  for (const auto& [key, values] : read) flags[key] = fmt::format("{}", fmt::join(values_of(read, key, name), ","));
  return flags;
}

// The SHA-256 of the clips' soft labels; "" without them. Error for unusable votes (corpus/soft_labels.h).
std::string digest_of_soft_labels(const Clips& clips, const std::vector<std::string>& classes,
                                  const std::string& columns) {
  if (columns.empty()) return "";
  Sha256 digest;
  for (const auto& row : soft_labels(clips, classes, parse_vote_columns(columns)))
    digest.add(fmt::format("{}\n", fmt::join(row, ",")));
  return digest.hex();
}

// Error unless the interrupted training was started with the same inputs.
void check_resumed(const TrainingInputs& before, const TrainingInputs& now, const std::string& run) {
  if (const auto difference = difference_of(before, now); !difference.empty())
    fail("{} cannot be resumed, because its inputs have changed: {}. Restore the inputs, or start again with --force",
         run, difference);
}

}  // namespace

TrainingInputs inputs_of(const std::string& config, const Clips& clips, const TrainArguments& a) {
  TrainingInputs inputs{.version = LORALENS_VERSION, .flags = flags_of(config)};
  for (const char* name : neutral_flags) inputs.flags.erase(name);
  for (const char* name : source_flags)
    if (auto flag = inputs.flags.extract(name)) inputs.sources.insert(std::move(flag));
  if (a.from.given()) inputs.flags["from"] = a.from.sha256();
  inputs.classes = classes_of(clips);
  inputs.soft_labels_sha256 = digest_of_soft_labels(clips, inputs.classes, a.run.train.soft_labels);
  for (const Clip& c : clips.clips)
    inputs.clips.push_back({c.id, c.label, c.speaker, c.corpus, c.gender, c.intensity, c.text, "", {}});
  return inputs;
}

TrainingInputs recorded_inputs(TrainingInputs now, const TrainArguments& a, const Path& folder) {
  TrainingInputs before = read_inputs(folder, a.out);
  for (const std::string& flag : foreign_flags(a.run.adapter.method))
    before.flags.erase(flag);  // older versions recorded them
  now.folds = before.folds;
  now.base_sha256 = before.base_sha256;
  now.precision = before.precision;
  check_resumed(before, now, a.out);
  return before;
}

void record_inputs(TrainingInputs inputs, const std::optional<TrainingInputs>& before, const LoadedClips& loaded,
                   const std::vector<Fold>& folds, TrainArguments& a, const Path& folder) {
  const Clips& clips = loaded.clips;
  if (before) check_resumed(*before, inputs, a.out);  // before reading the audio, which takes longer
  const auto recordings = loaded.skipped ? loaded.recordings : read_audio(clips, a);
  check_audio(clips, folds, a, recordings);
  a.from.check_leaks(clips, folds, recordings, a.folds.allow_leaks, a.run);
  for (size_t i = 0; i < recordings.size(); ++i) inputs.clips[i].sha256 = recordings[i].digest;
  if (before)
    check_resumed(*before, inputs, a.out);
  else
    write_inputs(folder, inputs, format_recordings(clips, recordings));
  if (!loaded.skipped) return;
  a.run.skipped_clips = std::ssize(loaded.skipped_ids);
  write_file(folder / "skipped.csv", *loaded.skipped);
}

}  // namespace loralens
