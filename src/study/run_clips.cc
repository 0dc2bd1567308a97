// SPDX-License-Identifier: Apache-2.0
#include "study/run_clips.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/progress.h"
#include "base/text.h"
#include "classifier/model.h"
#include "corpus/audit/audit.h"
#include "corpus/join.h"
#include "corpus/labels.h"
#include "results/protocol.h"
#include "results/run_folder.h"
#include "study/open_run.h"
#include "training/inputs.h"
#include "training/start/start.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

// A key for the clip's audio file and segment, independent of the id in the table.
std::string audio_of(const Clip& clip) { return fs::weakly_canonical(clip.path).string() + segment_suffix(clip); }

// Error for a label that is a class in another spelling; it would be left out as a label that is not a class.
void check_classes(const Clips& clips, const std::vector<std::string>& classes) {
  std::map<std::string, std::string> spellings;
  for (const std::string& name : classes) spellings.emplace(folded_name(name), name);
  for (const Clip& clip : clips.clips) {
    const auto meant = spellings.find(folded_name(clip.label));
    if (meant != spellings.end() && std::ranges::find(classes, clip.label) == classes.end())
      fail(
          "{}: the label '{}' is the run's class '{}' in another spelling: write it so in the table, or map it with "
          "--labels",
          clip.id, shown(clip.label), meant->second);
  }
}

// The number of clips whose ids are in the run's folds.csv, with a log line; nullopt if there are none.
std::optional<int64_t> clips_of_its_folds(const Path& run, const Clips& clips) {
  const Path csv = run / "folds.csv";
  if (!fs::exists(csv)) return std::nullopt;
  std::set<std::string> ids;
  scan_folds(csv, [&](const std::string& id, int64_t, const std::string&) { ids.insert(id); });
  const int64_t count = std::ranges::count_if(clips.clips, [&](const Clip& clip) { return ids.contains(clip.id); });
  if (count == 0) return std::nullopt;
  log_line(fmt::format("{} of these clips have ids of {}: they count as its training clips", count, csv.string()));
  return count;
}

// For a run without recordings.csv: the number of clips whose file and segment are in the run's tables. If some of
// these tables do not exist any more and the others hold none of the clips, those whose ids are in the run's folds.csv
// count; nullopt if there are none.
std::optional<int64_t> clips_of_its_tables(const Path& run, const Clips& clips) {
  const auto tables = recorded_flag(run, "corpus");
  if (tables.empty()) {
    log_line(
        fmt::format("{} has no recordings.csv: it is unknown whether it was trained on these clips", run.string()));
    return clips_of_its_folds(run, clips);
  }
  log_line(
      fmt::format("{} has no recordings.csv, because an older version trained it: its training clips are recognised "
                  "by their file paths only, so copies of them are not recognised",
                  run.string()));
  std::set<std::string> trained;
  bool all = true;
  for (const std::string& table : tables) {
    if (!fs::exists(table)) {
      all = false;
      log_line(fmt::format("{}, on which {} was trained, is missing: it is unknown whether it holds these clips", table,
                           run.string()));
      continue;
    }
    for (const Clip& clip : read_clips(table).clips) trained.insert(audio_of(clip));
  }
  const int64_t count =
      std::ranges::count_if(clips.clips, [&](const Clip& clip) { return trained.contains(audio_of(clip)); });
  if (count > 0 || all) return count;
  return clips_of_its_folds(run, clips);
}

// Whether the epochs of the run's models were chosen on their test parts.
bool chosen_on_test(const Path& run) {
  const std::string select = recorded_value(run, "select");
  return select == "test" || (select == "auto" && protocol_named(recorded_value(run, "protocol")).selection == "test");
}

// The ids in the training or development parts of the run's folds, or of the one fold that `folder` is; with the test
// parts if they chose the epoch. nullopt for a final model, which was trained on all clips, and for a folder that is
// none of the folds.
std::optional<std::set<std::string>> training_ids(const Path& run, const Path& folder) {
  const auto number = fold_number(folder);
  const bool whole = fs::weakly_canonical(run) == fs::weakly_canonical(folder);
  if (!fs::exists(run / "folds.csv") || (!whole && !number)) return {};
  std::set<std::string> ids;
  bool known = false;
  const bool test_too = chosen_on_test(run);
  scan_folds(run / "folds.csv", [&](const std::string& id, int64_t fold, const std::string& part) {
    if (!whole && fold != number) return;
    known = true;
    if (part == "train" || part == "development" || (test_too && part == "test")) ids.insert(id);
  });
  return known ? std::optional(ids) : std::nullopt;
}

// The clips' recordings, with progress.
std::vector<Recording> examined(const Clips& clips, int64_t threads) {
  Progress progress("comparing audio", std::ssize(clips.clips));
  return examine(clips, threads, [&](int64_t done) { progress.step(done); });
}

// The number of these clips that `record`, trained_clips_of(folder), holds. nullopt, with a log line, if it is unknown.
std::optional<int64_t> clips_in(const StartRecord& record, const Path& folder, const Clips& clips, int64_t threads) {
  const Path run = run_of(folder);
  if (!fs::exists(run / "recordings.csv")) return clips_of_its_tables(run, clips);
  const auto recordings = examined(clips, threads);
  tell_of_soundless(clips, recordings);
  const auto count = std::ssize(trained_among(record.clips, recordings));
  if (count > 0 || record.complete) return count;
  log_line(
      fmt::format("{}: not all clips that trained it are known, so it is unknown whether these clips are among them",
                  folder.string()));
  return std::nullopt;
}

// The number of speakers of these clips who are in the record of the model in `folder`. Logs them, and otherwise those
// who have the name of a speaker of another training corpus.
int64_t speakers_in(const StartRecord& record, const Path& folder, const Clips& clips) {
  std::vector<int64_t> all(clips.clips.size());
  std::iota(all.begin(), all.end(), 0);
  const auto known = known_speakers(record, clips, all, /*same_corpus=*/true);
  if (!known.empty()) {
    log_line(fmt::format("{} of the speakers of these clips trained {} ({}): the scores say nothing about new speakers",
                         known.size(), folder.string(), first_of(known)));
  } else if (const auto named = known_speakers(record, clips, all, /*same_corpus=*/false); !named.empty()) {
    log_line(
        fmt::format("{} of the speakers of these clips have names of speakers of another corpus who trained {} "
                    "({}): if they are the same people, the scores say nothing about new speakers",
                    named.size(), folder.string(), first_of(named)));
  }
  return std::ssize(known);
}

// Error if an audio file is missing.
Clips checked(Clips clips) {
  if (const std::string missing = check_files(clips); !missing.empty()) fail("{}", missing);
  return clips;
}

}  // namespace

Clips clips_of_classes(const std::vector<std::string>& corpora, const std::string& labels,
                       const std::vector<std::string>& classes, const std::set<std::string>& skipped) {
  Clips clips = read_corpora(corpora, label_map_of(labels.empty() ? "*" : labels));
  std::erase_if(clips.clips, [&](const Clip& clip) { return skipped.contains(clip.id); });
  if (classes.empty()) return checked(std::move(clips));
  check_classes(clips, classes);
  std::map<std::string, int64_t> other;
  std::erase_if(clips.clips, [&](const Clip& clip) {
    if (std::find(classes.begin(), classes.end(), clip.label) != classes.end()) return false;
    ++other[clip.label];
    return true;
  });
  for (const auto& [label, count] : other)
    log_line(fmt::format("left out: {} clips labelled {}, which is no class of the run", count, label));
  if (clips.clips.empty())
    fail("{}: no clip has a label among {}: name the model's classes with --classes, or map the labels with --labels",
         fmt::join(corpora, ", "), fmt::join(classes, " "));
  return checked(std::move(clips));
}

std::set<std::string> skipped_clips(const Path& run) {
  const Path csv = run / "skipped.csv";
  if (!fs::exists(csv)) return {};
  const Table table = read_csv(csv);
  const int column = table.column("id");
  if (column < 0) fail("{}: there is no column 'id': copy the run again", csv.string());
  std::set<std::string> ids;
  for (const auto& row : table.rows) ids.insert(row[column]);
  return ids;
}

std::optional<int64_t> clips_trained_on(const Path& folder, const Clips& clips, int64_t threads) {
  return clips_in(trained_clips_of(folder), folder, clips, threads);
}

SeenInTraining seen_in_training(const Path& folder, const Clips& clips, int64_t threads) {
  const StartRecord record = trained_clips_of(folder);
  SeenInTraining seen{.clips = clips_in(record, folder, clips, threads)};
  if (seen.clips.value_or(0) == 0) seen.speakers = speakers_in(record, folder, clips);
  return seen;
}

StartRecord trained_clips_of(const Path& folder) {
  const Path run = run_of(folder);
  if (!fs::exists(run / "recordings.csv")) return {};
  StartRecord record{.clips = read_recordings(run / "recordings.csv"), .complete = true};
  if (const auto parts = training_ids(run, folder))
    std::erase_if(record.clips, [&](const TrainedClip& clip) { return !parts->contains(clip.id); });
  if (auto start = read_start(run)) {
    std::ranges::move(start->clips, std::back_inserter(record.clips));
    record.complete = start->complete;
  }
  return record;
}

std::vector<Path> trained_on_other_audio(const std::vector<Path>& runs, const Clips& clips, int64_t threads) {
  const auto recordings = examined(clips, threads);
  std::map<std::string, std::string> now;  // digest of each clip's audio
  for (size_t i = 0; i < recordings.size(); ++i) now[clips.clips[i].id] = recordings[i].digest;
  std::vector<Path> changed;
  for (const Path& run : runs) {
    if (!fs::exists(run / "recordings.csv")) continue;
    const auto trained = read_recordings(run / "recordings.csv");
    if (std::ranges::any_of(trained, [&](const TrainedClip& clip) {
          const auto found = now.find(clip.id);
          return found != now.end() && found->second != clip.sha256;
        }))
      changed.push_back(run);
  }
  return changed;
}

bool unchanged_since_training(const Path& run, const Clips& clips, int64_t threads) {
  if (!fs::exists(run / "recordings.csv")) return false;
  std::map<std::string, TrainedClip> trained;
  for (TrainedClip& clip : read_recordings(run / "recordings.csv")) trained[clip.id] = std::move(clip);
  for (const Clip& clip : clips.clips)
    if (const auto found = trained.find(clip.id);
        found == trained.end() || found->second.label != clip.label || found->second.speaker != clip.speaker)
      return false;
  const auto recordings = examined(clips, threads);
  for (size_t i = 0; i < recordings.size(); ++i)
    if (recordings[i].digest != trained.at(clips.clips[i].id).sha256) return false;
  return true;
}

}  // namespace loralens
