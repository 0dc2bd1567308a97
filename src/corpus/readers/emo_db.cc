// SPDX-License-Identifier: Apache-2.0
// EMO-DB: Burkhardt, Paeschke, Rolfes, Sendlmeier and Weiss, A database of German emotional speech, Interspeech 2005.
// File name: speaker, text, emotion, take: 03a01Fa.
#include <map>
#include <set>

#include "base/error.h"
#include "base/pattern.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

const std::map<char, std::string> emotions = {{'W', "anger"},     {'L', "boredom"}, {'E', "disgust"}, {'A', "fear"},
                                              {'F', "happiness"}, {'T', "sadness"}, {'N', "neutral"}};
const std::set<std::string> male = {"03", "10", "11", "12", "15"};
const std::map<std::string, std::string> sentences = {
    {"a01", "Der Lappen liegt auf dem Eisschrank."},
    {"a02", "Das will sie am Mittwoch abgeben."},
    {"a04", "Heute abend könnte ich es ihm sagen."},
    {"a05", "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück."},
    {"a07", "In sieben Stunden wird es soweit sein."},
    {"b01", "Was sind denn das für Tüten, die da unter dem Tisch stehen?"},
    {"b02", "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter."},
    {"b03", "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht."},
    {"b09", "Ich will das eben wegbringen und dann mit Karl was trinken gehen."},
    {"b10", "Die wird auf dem Platz sein, wo wir sie immer hinlegen."}};

Clip clip_of(const Path& path, const std::string& id, const Matches& name) {
  Clip clip;
  clip.id = id;
  clip.path = path;
  clip.speaker = name[1];
  const auto sentence = sentences.find(name[2]);
  clip.text = sentence == sentences.end() ? name[2] : sentence->second;
  clip.label = emotions.at(name[3][0]);
  clip.gender = male.contains(clip.speaker) ? "male" : "female";
  clip.corpus = "emo-db";
  clip.language = "de";
  return clip;
}

class EmoDbReader : public Reader {
 public:
  std::string name() const override { return "emo-db"; }
  std::string description() const override { return "EMO-DB, German: the folder with wav/03a01Fa.wav"; }

  RawCorpus read(const Path& root, const ReaderOptions&) const override {
    static const Pattern pattern("([0-9]{2})([ab][0-9]{2})([WLEAFTN])[a-z]");
    RawCorpus corpus;
    corpus.clips.folder = root;
    int64_t strange = 0;
    for (const auto& path : files_in(folder_with(root, "wav"))) {
      if (!is_audio(path)) continue;
      const std::string stem = path.stem().string();
      if (const auto parts = pattern.match(stem))
        corpus.clips.clips.push_back(clip_of(path, name_below(root, path), *parts));
      else
        ++strange;
    }
    if (corpus.clips.clips.empty())
      fail("{} holds no EMO-DB: give the folder with wav/03a01Fa.wav{}", root.string(), archives_in(root));
    if (strange) corpus.notes.push_back(fmt::format("passed over {} audio files with other names", strange));
    return corpus;
  }

  PublishedCounts published(const ReaderOptions&) const override {
    return {{{"anger", 127},
             {"boredom", 81},
             {"disgust", 46},
             {"fear", 69},
             {"happiness", 71},
             {"neutral", 79},
             {"sadness", 62}},
            {{"03", 49},
             {"08", 58},
             {"09", 43},
             {"10", 38},
             {"11", 55},
             {"12", 35},
             {"13", 61},
             {"14", 69},
             {"15", 56},
             {"16", 71}},
            {}};
  }
};

}  // namespace

const Reader& emo_db_reader() {
  static const EmoDbReader reader;
  return reader;
}

}  // namespace loralens
