// SPDX-License-Identifier: Apache-2.0
// EmoBox: Ma et al., EmoBox: multilingual multi-corpus speech emotion recognition toolkit and benchmark, Interspeech
// 2024. For each corpus data/<corpus>/fold_1/<corpus>_train_fold_1.jsonl, _valid_, _test_, or without folds
// <corpus>_train.jsonl and so on: a JSON object per clip with key, dataset, wav and emo. The paths of audio are
// relative to EmoBox's own folder; there are no speakers.
#include <map>
#include <optional>

#include "base/error.h"
#include "base/pattern.h"
#include "base/text.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/speaker_pattern.h"
#include "corpus/readers/tables/audio_folder.h"
#include "corpus/readers/tables/json_lines.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

// What the lists say of a clip.
struct Listed {
  std::string label, corpus;
  std::string fold;  // in whose test list it is
  std::string partition;  // train, valid or test of lists without folds
};

using ListedClips = std::map<std::string, Listed>;  // by path

// Sets a field once. Error if two lists contradict each other.
void set_once(std::string& field, const std::string& value, const char* what, const std::string& where) {
  if (!field.empty() && field != value)
    fail("{}: the {} is '{}' here and '{}' in another list: use the lists of one corpus in one version", where, what,
         shown(value), shown(field));
  field = value;
}

void add_list(const Path& file, const std::string& part, const std::string& fold, ListedClips& clips) {
  const Table table = read_json_lines(file).table;
  const auto column = [&](const char* name) -> size_t {
    if (table.column(name) < 0) fail("{}: no line has the key \"{}\": use EmoBox's own file", file.string(), name);
    return table.column(name);
  };
  const size_t path = column("wav"), label = column("emo"), corpus = column("dataset");
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const auto& row = table.rows[i];
    const std::string where = fmt::format("{}: line {}", file.string(), table.number(i));
    if (row[path].empty() || row[label].empty()) fail("{}: \"wav\" or \"emo\" is empty", where);
    if (may_lead_out(row[path])) fail("{}: the path '{}' leads out of EmoBox's folder", where, shown(row[path]));
    Listed& clip = clips[row[path]];
    set_once(clip.label, row[label], "label", where);
    set_once(clip.corpus, row[corpus], "dataset", where);
    if (fold.empty())
      set_once(clip.partition, part, "part", where);
    else if (part == "test")
      set_once(clip.fold, fold, "fold", where);
  }
}

class EmoBoxReader : public Reader {
 public:
  std::string name() const override { return "emobox"; }
  std::string description() const override {
    return "EmoBox: the folder of a corpus in it, such as data/emodb with fold_1/emodb_train_fold_1.jsonl";
  }

  std::vector<ReaderOption> options() const override {
    return {audio_option(), speaker_pattern_option("a clip's path in the lists")};
  }

  RawCorpus read(const Path& root, const ReaderOptions& options) const override {
    static const Pattern pattern("_(train|valid|test)(?:_fold_([0-9]+))?$");
    ListedClips listed;
    int64_t other = 0;
    for (const Path& path : files_below(root)) {
      if (path.extension() != ".jsonl") continue;
      if (const auto parts = pattern.search(path.stem().string()))
        add_list(path, (*parts)[1], (*parts)[2], listed);
      else
        ++other;
    }
    if (listed.empty())
      fail("{} holds no lists of EmoBox: give a folder with fold_1/emodb_train_fold_1.jsonl", root.string());
    RawCorpus corpus;
    if (other) corpus.notes.push_back(fmt::format("passed over {} .jsonl files with other names", other));
    add_clips(root, options, listed, corpus);
    return corpus;
  }

 private:
  static void add_clips(const Path& root, const ReaderOptions& options, const ListedClips& listed, RawCorpus& corpus) {
    Table paths{{"path"}, {}};
    for (const auto& [path, clip] : listed) paths.rows.push_back({path});
    const Path folder = audio_folder(paths, root / "list", options.audio, corpus.notes);
    std::optional<SpeakerPattern> speakers;
    if (!options.speaker_pattern.empty()) speakers.emplace(options.speaker_pattern);
    corpus.clips.folder = folder;
    corpus.clips.extra_columns = {"fold", "partition"};
    int64_t without_fold = 0;
    for (const auto& [path, about] : listed) {
      Clip clip;
      clip.id = path;
      clip.path = folder / path;
      clip.label = about.label;
      clip.corpus = about.corpus;
      if (speakers) clip.speaker = speakers->speaker_in(path, root.string());
      clip.extra = {about.fold, about.partition};
      without_fold += about.fold.empty() && about.partition.empty();
      corpus.clips.clips.push_back(std::move(clip));
    }
    if (without_fold)
      corpus.notes.push_back(fmt::format("{} clips are in no test list: they have no fold", without_fold));
    if (!speakers)
      corpus.notes.emplace_back(
          "no speakers: --speaker-pattern takes them from the paths; EmoBox's folds are --folds "
          "column:fold");
  }
};

}  // namespace

const Reader& emobox_reader() {
  static const EmoBoxReader reader;
  return reader;
}

}  // namespace loralens
