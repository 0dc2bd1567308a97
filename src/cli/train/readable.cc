// SPDX-License-Identifier: Apache-2.0
#include "cli/train/readable.h"

#include <algorithm>

#include "audio/decode.h"
#include "base/error.h"
#include "base/progress.h"
#include "corpus/join.h"
#include "corpus/labels.h"

namespace loralens {
namespace {

// Moves the clips that cannot be read out of `loaded`, and lists them.
void skip_unreadable(LoadedClips& loaded, const TrainArguments& a) {
  const auto all = read_audio(loaded.clips, a);
  std::vector<Clip> kept;
  loaded.skipped = format_csv_row({"id", "label", "speaker", "error"});
  for (size_t i = 0; i < all.size(); ++i) {
    Clip& clip = loaded.clips.clips[i];
    if (all[i].error.empty()) {
      loaded.recordings.push_back(all[i]);
      kept.push_back(std::move(clip));
      continue;
    }
    if (loaded.skipped_ids.insert(clip.id); loaded.skipped_ids.size() == 1)
      log_line(fmt::format("--skip-unreadable leaves out clips, which skipped.csv lists, such as {}", all[i].error));
    *loaded.skipped += format_csv_row({clip.id, clip.label, clip.speaker, all[i].error});
  }
  if (kept.empty()) fail("none of the {} clips can be read, such as {}", all.size(), all.front().error);
  if (!loaded.skipped_ids.empty())
    log_line(fmt::format("left out: {} of {} clips, which cannot be read", loaded.skipped_ids.size(), all.size()));
  loaded.clips.clips = std::move(kept);
}

// "; 2 others cannot be read: ..." for clips whose file is there and cannot be opened as audio; "" if there are none.
std::string others_unreadable(const Clips& clips) {
  constexpr size_t named = 20;
  std::vector<std::string> errors;
  std::error_code ignored;
  for (const Clip& clip : clips.clips) {
    if (!std::filesystem::exists(clip.path, ignored)) continue;
    auto error = error_of([&] { const AudioStream opened(clip.path, {clip.start, clip.end}); });
    if (!error.empty()) errors.push_back(std::move(error));
  }
  if (errors.empty()) return "";
  const size_t count = errors.size();
  errors.resize(std::min(named, count));
  return fmt::format("; {} other{} cannot be read: {}{}", count, count == 1 ? "" : "s", fmt::join(errors, "; "),
                     count > named ? fmt::format("; and {} more", count - named) : "");
}

}  // namespace

std::vector<Recording> read_audio(const Clips& clips, const TrainArguments& a) {
  Progress progress("checking audio", std::ssize(clips.clips));
  return examine(clips, thread_count(a.machine), [&](int64_t done) { progress.step(done); });
}

LoadedClips load_clips(const TrainArguments& a) {
  std::map<std::string, int64_t> dropped;
  LoadedClips loaded{read_corpora(a.corpora, label_map_of(a.labels.empty() ? "*" : a.labels), &dropped)};
  for (const auto& [label, count] : dropped) log_line(fmt::format("left out: {} clips labelled {}", count, label));
  if (a.skip_unreadable)
    skip_unreadable(loaded, a);
  else if (const std::string missing = check_files(loaded.clips); !missing.empty())
    fail("{}{} (--skip-unreadable leaves such clips out)", missing, others_unreadable(loaded.clips));
  const auto corpora = counts_by(loaded.clips, "corpus");
  if (a.run.train.balance.starts_with("corpora") && corpora.size() < 2)
    fail("--balance {}: all clips are of the corpus '{}': give a second one with --corpus", a.run.train.balance,
         corpora.begin()->first);
  return loaded;
}

std::vector<Fold> folds_of(const LoadedClips& loaded, const TrainArguments& a) {
  FoldOptions options = a.folds;
  options.left_out = loaded.skipped_ids;
  return make_folds(loaded.clips, options, a.run.train.selection == Selection::development);
}

}  // namespace loralens
