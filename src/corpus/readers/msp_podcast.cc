// SPDX-License-Identifier: Apache-2.0
// MSP-Podcast: Lotfian and Busso, Building naturalistic emotionally balanced speech corpus by retrieving emotional
// speech from existing podcast recordings, IEEE Transactions on Affective Computing 10(4), 2019.
// Labels/labels_consensus.csv has a row for each turn, and Audios/MSP-PODCAST_0001_0008.wav is its audio.
#include "corpus/readers/msp_podcast.h"

#include <map>

#include "base/error.h"
#include "base/formats/user_table.h"
#include "base/pattern.h"
#include "base/text.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

constexpr const char* table_name = "labels_consensus.csv";

// Codes of the raters' consensus, and of the published parts.
const std::map<std::string, std::string> labels = {
    {"A", "anger"},   {"S", "sadness"},  {"H", "happiness"}, {"U", "surprise"}, {"F", "fear"},
    {"D", "disgust"}, {"C", "contempt"}, {"N", "neutral"},   {"O", "other"},    {"X", "no-agreement"}};
const std::map<std::string, std::string> parts = {{"Train", "train"},
                                                  {"Development", "development"},
                                                  {"Validation", "development"},
                                                  {"Test", "test"},
                                                  {"Test1", "test1"},
                                                  {"Test2", "test2"},
                                                  {"Test3", "test3"}};

Path table_of(const Path& root) {
  for (const Path& path : {root / "Labels" / table_name, root / table_name, root / "labels" / table_name})
    if (is_file(path)) return path;
  fail("{} holds no labels of MSP-Podcast: give the folder with Labels/{}", root.string(), table_name);
}

Path audio_folder_of(const Path& root) {
  for (const char* name : {"Audios", "Audio", "audios", "audio"})
    if (is_directory(root / name)) return root / name;
  return root / "Audios";
}

const std::string& word(const std::map<std::string, std::string>& words, const std::string& code, const char* column,
                        const std::string& where) {
  const auto found = words.find(code);
  if (found == words.end()) fail("{}: '{}' is no {} of MSP-Podcast", where, shown(code), column);
  return found->second;
}

// "Male" -> "male"; "Unknown" -> "".
std::string known(const std::string& text) {
  const std::string name = folded(text);
  return name == "unknown" ? "" : name;
}

class MspPodcastReader : public Reader {
 public:
  std::string name() const override { return "msp-podcast"; }
  std::string description() const override {
    return "MSP-Podcast, English: the folder with Labels/labels_consensus.csv and Audios (licence from UT Dallas)";
  }

  RawCorpus read(const Path& root, const ReaderOptions&) const override {
    if (!is_directory(root)) fail("{} is no folder: give the folder that holds the corpus", root.string());
    const Path file = table_of(root), folder = audio_folder_of(root);
    const UserTable read = read_user_table(file);
    const Table& table = read.table;
    RawCorpus corpus{{}, read.notes};
    corpus.clips.folder = root;
    corpus.clips.extra_columns = {"partition", "activation", "valence", "dominance"};
    const auto column = [&](const char* name) -> size_t {
      if (table.column(name) < 0) fail("{}: there is no column '{}': use MSP-Podcast's own file", file.string(), name);
      return table.column(name);
    };
    const size_t name = column("FileName"), label = column("EmoClass"), speaker = column("SpkrID"),
                 gender = column("Gender"), part = column("Split_Set"), activation = column("EmoAct"),
                 valence = column("EmoVal"), dominance = column("EmoDom");
    static const Pattern file_name("[A-Za-z0-9_-]+\\.wav");
    for (size_t i = 0; i < table.rows.size(); ++i) {
      const auto& row = table.rows[i];
      const std::string where = fmt::format("{}: row {}", file.string(), table.number(i));
      if (!file_name.match(row[name]))
        fail("{}: '{}' is no file name such as MSP-PODCAST_0001_0008.wav", where, shown(row[name]));
      Clip clip;
      clip.path = folder / row[name];
      clip.id = name_below(root, clip.path);
      clip.label = word(labels, row[label], "EmoClass", where);
      clip.speaker = known(row[speaker]).empty() ? "" : row[speaker];
      clip.gender = known(row[gender]);
      clip.corpus = "msp-podcast";
      clip.language = "en";
      clip.extra = {word(parts, row[part], "Split_Set", where), row[activation], row[valence], row[dominance]};
      corpus.clips.clips.push_back(std::move(clip));
    }
    return corpus;
  }

  LabelMap default_labels() const override { return four_classes(); }
};

}  // namespace

std::string msp_podcast_label(const std::string& letter) {
  const auto found = labels.find(letter);
  return found == labels.end() ? "" : found->second;
}

const Reader& msp_podcast_reader() {
  static const MspPodcastReader reader;
  return reader;
}

}  // namespace loralens
