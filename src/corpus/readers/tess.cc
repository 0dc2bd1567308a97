// SPDX-License-Identifier: Apache-2.0
// TESS: Pichora-Fuller and Dupuis, Toronto emotional speech set, Borealis, 2020. Two actresses say "Say the word ..."
// in seven emotions. File name: actress, word, emotion: OAF_back_angry.wav; ps is pleasant surprise. Mirrors hold the
// files in folders such as OAF_angry, often twice, and one of them under the misspelt name OA_bite_neutral.
#include <map>

#include "base/error.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

const std::map<std::string, std::string> emotions = {{"angry", "angry"}, {"disgust", "disgust"}, {"fear", "fear"},
                                                     {"happy", "happy"}, {"neutral", "neutral"}, {"ps", "surprise"},
                                                     {"sad", "sad"}};

class TessReader : public Reader {
 public:
  std::string name() const override { return "tess"; }
  std::string description() const override { return "TESS, English: the folder with OAF_back_angry.wav, or above it"; }

  RawCorpus read(const Path& root, const ReaderOptions&) const override {
    static const Pattern pattern("(?:^|/)(OAF?|YAF)_([a-z]+)_(angry|disgust|fear|happy|neutral|ps|sad)$");
    RawCorpus corpus;
    corpus.clips.folder = root;
    for (const auto& [path, parts] : files_named(root, pattern, corpus.notes)) {
      Clip clip;
      clip.id = name_below(root, path);
      clip.path = path;
      clip.label = emotions.at(parts[3]);
      clip.speaker = parts[1] == "OA" ? "OAF" : parts[1];
      clip.text = fmt::format("Say the word {}.", parts[2]);
      clip.corpus = "tess";
      clip.language = "en";
      clip.gender = "female";
      corpus.clips.clips.push_back(std::move(clip));
    }
    if (corpus.clips.clips.empty())
      fail("{} holds no TESS: give the folder with OAF_back_angry.wav, or one above it{}", root.string(),
           archives_in(root));
    return corpus;
  }

  PublishedCounts published(const ReaderOptions&) const override {
    PublishedCounts counts;
    for (const auto& [code, emotion] : emotions) counts.labels[emotion] = 400;
    counts.speakers = {{"OAF", 1400}, {"YAF", 1400}};
    return counts;
  }
};

}  // namespace

const Reader& tess_reader() {
  static const TessReader reader;
  return reader;
}

}  // namespace loralens
