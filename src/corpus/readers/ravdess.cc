// SPDX-License-Identifier: Apache-2.0
// RAVDESS: Livingstone and Russo, PLoS ONE 13(5): e0196391, 2018. All fields are codes in the file name:
// modality-channel-emotion-intensity-statement-repetition-actor.
#include <array>
#include <set>

#include "base/error.h"
#include "base/pattern.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

constexpr std::array<const char*, 8> emotions = {"neutral", "calm",    "happy",   "sad",
                                                 "angry",   "fearful", "disgust", "surprised"};
constexpr std::array<const char*, 2> intensities = {"normal", "strong"};
constexpr std::array<const char*, 2> statements = {"Kids are talking by the door.", "Dogs are sitting by the door."};

// The word for a two-digit code, which counts from "01".
template <size_t N>
const char* word(const std::array<const char*, N>& words, const std::string& code, const Path& path) {
  const int number = std::stoi(code);
  if (number < 1 || number > std::ssize(words))
    fail("{}: the code {} in the name is not one of 01 to {:02}", path.string(), code, N);
  return words[number - 1];
}

Clip clip_of(const Path& path, const std::string& id, const Matches& code) {
  Clip clip;
  clip.id = id;
  clip.path = path;
  clip.label = word(emotions, code[3], path);
  clip.intensity = word(intensities, code[4], path);
  clip.text = word(statements, code[5], path);
  clip.speaker = code[7];
  clip.gender = std::stoi(clip.speaker) % 2 ? "male" : "female";
  clip.corpus = "ravdess";
  clip.language = "en";
  return clip;
}

class RavdessReader : public Reader {
 public:
  std::string name() const override { return "ravdess"; }
  std::string description() const override {
    return "RAVDESS, English: the folder with Actor_01 to Actor_24 (audio files of speech)";
  }

  RawCorpus read(const Path& root, const ReaderOptions&) const override {
    static const Pattern pattern("([0-9]{2})-([0-9]{2})-([0-9]{2})-([0-9]{2})-([0-9]{2})-([0-9]{2})-([0-9]{2})");
    RawCorpus corpus;
    corpus.clips.folder = root;
    int64_t other = 0, repeated = 0, strange = 0;
    Path first_repeated;
    std::set<std::string> seen;
    for (const auto& path : files_below(root)) {
      const std::string stem = path.stem().string();
      const auto code = pattern.match(stem);
      if (!code)
        strange += is_audio(path);
      else if ((*code)[1] != "03" || (*code)[2] != "01" || !is_audio(path))
        ++other;
      else if (!seen.insert(stem).second)
        first_repeated = ++repeated == 1 ? path : first_repeated;
      else
        corpus.clips.clips.push_back(clip_of(path, name_below(root, path), *code));
    }
    if (corpus.clips.clips.empty())
      fail("{} holds no RAVDESS speech: give the folder with Actor_01/03-01-05-02-01-01-12.wav{}", root.string(),
           archives_in(root));
    if (other) corpus.notes.push_back(fmt::format("passed over {} files of song or video", other));
    if (repeated) corpus.notes.push_back(note_of_repeated(repeated, first_repeated));
    if (strange) corpus.notes.push_back(fmt::format("passed over {} audio files with other names", strange));
    return corpus;
  }

  PublishedCounts published(const ReaderOptions&) const override {
    PublishedCounts counts;
    for (const char* emotion : emotions) counts.labels[emotion] = 192;
    counts.labels["neutral"] = 96;
    for (int actor = 1; actor <= 24; ++actor) counts.speakers[fmt::format("{:02}", actor)] = 60;
    return counts;
  }
};

}  // namespace

const Reader& ravdess_reader() {
  static const RavdessReader reader;
  return reader;
}

}  // namespace loralens
