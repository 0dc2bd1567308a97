// SPDX-License-Identifier: Apache-2.0
// Reader of audio files sorted into one folder per class: <class>/<clip>, or deeper below <class>.

#include "base/error.h"
#include "base/pattern.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

std::string complaint_about_pattern(const std::string& pattern) {
  try {
    if (Pattern(pattern).groups() == 1) return "";
    return fmt::format("'{}' needs one group in parentheses, which is the speaker", pattern);
  } catch (const Error& error) {
    return error.what();
  }
}

class FoldersReader : public Reader {
 public:
  std::string name() const override { return "folders"; }
  std::string description() const override { return "a folder for each class: CLASS/clip.wav, or deeper below CLASS"; }

  std::vector<ReaderOption> options() const override {
    return {{"--speaker-pattern",
             "regular expression to be found in CLASS/clip.wav whose group is the speaker, such as '/(\\d+)_'",
             &ReaderOptions::speaker_pattern, complaint_about_pattern}};
  }

  RawCorpus read(const Path& root, const ReaderOptions& options) const override {
    if (const auto complaint = options.speaker_pattern.empty() ? "" : complaint_about_pattern(options.speaker_pattern);
        !complaint.empty())
      fail("{}", complaint);
    const Pattern pattern(options.speaker_pattern);
    RawCorpus corpus;
    corpus.clips.folder = root;
    int64_t other = 0, outside = 0;
    for (const auto& path : files_below(root)) {
      Clip clip;
      clip.id = name_below(root, path);
      const auto slash = clip.id.find('/');
      if (!is_audio(path)) {
        ++other;
      } else if (slash == std::string::npos) {
        ++outside;
      } else {
        clip.path = path;
        clip.label = clip.id.substr(0, slash);
        if (!options.speaker_pattern.empty()) clip.speaker = speaker_of(clip.id, pattern, path);
        corpus.clips.clips.push_back(std::move(clip));
      }
    }
    if (corpus.clips.clips.empty())
      fail("{} holds no audio in folders: give the folder that holds a folder for each class", root.string());
    if (outside)
      corpus.notes.push_back(fmt::format("passed over {} audio files that are in no class's folder", outside));
    if (other) corpus.notes.push_back(fmt::format("passed over {} files that are no audio", other));
    if (options.speaker_pattern.empty())
      corpus.notes.push_back("no speakers: --speaker-pattern takes them from the names");
    return corpus;
  }

 private:
  static std::string speaker_of(const std::string& id, const Pattern& pattern, const Path& path) {
    const auto found = pattern.search(id);
    if (!found || (*found)[1].empty())
      fail("{}: the speaker pattern finds nothing in '{}': widen it, or move the file away", path.string(), id);
    return (*found)[1];
  }
};

}  // namespace

const Reader& folders_reader() {
  static const FoldersReader reader;
  return reader;
}

}  // namespace loralens
