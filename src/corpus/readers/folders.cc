// SPDX-License-Identifier: Apache-2.0
// Reader of audio files sorted into one folder per class: <class>/<clip>, or deeper below <class>; or
// <split>/<class>/... if all folders are named like splits.
#include <algorithm>
#include <optional>
#include <set>

#include "audio/ffmpeg_program.h"
#include "base/error.h"
#include "base/text.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/speaker_pattern.h"
#include "corpus/readers/tables/dataset_files.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

// The paths without extension of the files that the program's own libraries decode.
std::set<Path> stems_of_audio(const std::vector<Path>& files) {
  std::set<Path> stems;
  for (const Path& path : files)
    if (is_audio(path)) stems.insert(path.parent_path() / path.stem());
  return stems;
}

// Whether a folder's name is that of a part of a data set, such as train.
bool is_split(const std::string& name) {
  static const std::set<std::string> splits = {"train",      "training",   "test",       "testing", "valid",
                                               "validation", "validating", "val",        "dev",     "devel",
                                               "eval",       "evaluation", "development"};
  return splits.contains(folded(name));
}

std::string first_part(const std::string& name) { return name.substr(0, name.find('/')); }

// If the folders in the corpus's own are all splits that hold folders, takes the folders in them as the classes.
void take_splits(RawCorpus& corpus) {
  auto& clips = corpus.clips.clips;
  const auto is_in_split = [](const Clip& clip) {
    return is_split(clip.label) && clip.id.find('/', clip.label.size() + 1) != std::string::npos;
  };
  if (clips.empty() || !std::ranges::all_of(clips, is_in_split)) return;
  corpus.clips.extra_columns = {"split"};
  for (Clip& clip : clips) {
    clip.extra = {clip.label};
    clip.label = first_part(clip.id.substr(clip.label.size() + 1));
  }
  std::string splits;
  for (const auto& [split, count] : counts_by(corpus.clips, "split")) splits += fmt::format(" {} {}", split, count);
  corpus.notes.push_back(
      fmt::format("the folders in it are splits, the column split, and those in them the classes:{}", splits));
}

class FoldersReader : public Reader {
 public:
  std::string name() const override { return "folders"; }
  std::string description() const override { return "a folder for each class: CLASS/clip.wav, or deeper below CLASS"; }

  std::vector<ReaderOption> options() const override { return {speaker_pattern_option("CLASS/clip.wav")}; }

  RawCorpus read(const Path& root, const ReaderOptions& options) const override {
    std::optional<SpeakerPattern> pattern;
    if (!options.speaker_pattern.empty()) pattern.emplace(options.speaker_pattern);
    RawCorpus corpus;
    corpus.clips.folder = root;
    const std::vector<Path> files = files_below(root);
    const std::set<Path> stems = stems_of_audio(files);
    Extensions other, outside, beside, by_ffmpeg;
    for (const auto& path : files) {
      Clip clip;
      clip.id = name_below(root, path);
      const auto slash = clip.id.find('/');
      if (!is_audio(path) && !needs_ffmpeg(path)) {
        other.add(path);
      } else if (slash == std::string::npos) {
        outside.add(path);
      } else if (needs_ffmpeg(path) && stems.contains(path.parent_path() / path.stem())) {
        beside.add(path);
      } else {
        if (needs_ffmpeg(path)) by_ffmpeg.add(path);
        clip.path = path;
        clip.label = first_part(clip.id);
        if (pattern) clip.speaker = pattern->speaker_in(clip.id, path.string());
        corpus.clips.clips.push_back(std::move(clip));
      }
    }
    if (corpus.clips.clips.empty()) refuse_dataset_files(root);
    if (corpus.clips.clips.empty())
      fail("{} holds no audio in folders{}: give the folder that holds a folder for each class", root.string(),
           other.empty() ? "" : fmt::format(" (passed over: {})", other.text()));
    take_splits(corpus);
    const auto note = [&](const Extensions& files, const char* what) {
      if (!files.empty()) corpus.notes.push_back(fmt::format(fmt::runtime(what), files.files(), files.text()));
    };
    note(outside, "passed over {} audio files that are in no class's folder ({})");
    note(beside, "passed over {} files beside audio of the same name ({})");
    note(other, "passed over {} files that are no audio ({})");
    if (!find_ffmpeg()) note(by_ffmpeg, "{} files need the program ffmpeg, which is not installed ({})");
    if (!pattern) corpus.notes.push_back("no speakers: --speaker-pattern takes them from the names");
    return corpus;
  }
};

}  // namespace

const Reader& folders_reader() {
  static const FoldersReader reader;
  return reader;
}

}  // namespace loralens
