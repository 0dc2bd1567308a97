// SPDX-License-Identifier: Apache-2.0
// SAVEE: Haq and Jackson, Multimodal emotion recognition, in Machine Audition, IGI Global, 2010. Four men. File name:
// emotion, sentence, in a folder of the speaker (AudioData/DC/a01.wav) or with the speaker in front (DC_a01.wav).
#include <map>

#include "base/error.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

const std::map<std::string, std::string> emotions = {{"a", "anger"},     {"d", "disgust"}, {"f", "fear"},
                                                     {"h", "happiness"}, {"n", "neutral"}, {"sa", "sadness"},
                                                     {"su", "surprise"}};

class SaveeReader : public Reader {
 public:
  std::string name() const override { return "savee"; }
  std::string description() const override {
    return "SAVEE, English: the folder with AudioData/DC/a01.wav or DC_a01.wav";
  }

  RawCorpus read(const Path& root, const ReaderOptions&) const override {
    static const Pattern pattern("(?:^|/)(DC|JE|JK|KL)[/_](a|d|f|h|n|sa|su)([0-9]{2})$");
    RawCorpus corpus;
    corpus.clips.folder = root;
    corpus.clips.extra_columns = {"sentence"};
    for (const auto& [path, parts] : files_named(root, pattern, corpus.notes)) {
      Clip clip;
      clip.id = name_below(root, path);
      clip.path = path;
      clip.label = emotions.at(parts[2]);
      clip.speaker = parts[1];
      clip.corpus = "savee";
      clip.language = "en";
      clip.gender = "male";
      clip.extra = {parts[2] + parts[3]};
      corpus.clips.clips.push_back(std::move(clip));
    }
    if (corpus.clips.clips.empty())
      fail("{} holds no SAVEE: give the folder with AudioData/DC/a01.wav or DC_a01.wav{}", root.string(),
           archives_in(root));
    return corpus;
  }

  PublishedCounts published(const ReaderOptions&) const override {
    PublishedCounts counts;
    for (const auto& [code, emotion] : emotions) counts.labels[emotion] = 60;
    counts.labels["neutral"] = 120;
    for (const char* speaker : {"DC", "JE", "JK", "KL"}) counts.speakers[speaker] = 120;
    return counts;
  }
};

}  // namespace

const Reader& savee_reader() {
  static const SaveeReader reader;
  return reader;
}

}  // namespace loralens
