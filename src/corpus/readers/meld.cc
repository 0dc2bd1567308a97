// SPDX-License-Identifier: Apache-2.0
// MELD: Poria, Hazarika, Majumder, Naik, Cambria and Mihalcea, MELD: a multimodal multi-party dataset for emotion
// recognition in conversations, ACL 2019. Dialogues of a television series. Each partition has a CSV file, and each row
// a clip dia<Dialogue_ID>_utt<Utterance_ID>, distributed as mp4, which the user converts to audio. Each partition has
// its own folder, because the same names occur in all of them.
#include <algorithm>
#include <array>
#include <optional>

#include "base/error.h"
#include "base/formats/user_table.h"
#include "base/shell.h"
#include "corpus/names.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

struct Partition {
  const char* name;
  const char* folder;  // as in the authors' archives
  const char* broken;  // a clip whose video is damaged or missing in the archive
};

constexpr const char* video_extension = ".mp4";  // of the clips as they are distributed

constexpr std::array<Partition, 3> partitions = {{{"train", "train_splits", "dia125_utt3"},
                                                  {"dev", "dev_splits_complete", "dia110_utt7"},
                                                  {"test", "output_repeated_splits_test", ""}}};

// The partition's CSV file, in the root or in the partition's folder.
std::optional<Path> text_file(const Path& root, const Partition& part) {
  const std::string name = fmt::format("{}_sent_emo.csv", part.name);
  for (const Path& path : {root / name, root / part.name / name})
    if (is_file(path)) return path;
  return {};
}

Path audio_folder(const Path& root, const Partition& part) {
  for (const Path& path : {root / part.folder, root / part.name / part.folder, root / part.name})
    if (is_directory(path)) return path;
  return root / part.folder;
}

// The clip's audio file in any format, else its video; if there is none, the path of a .wav.
Path audio_file(const Path& folder, const std::string& name) {
  for (const char* extension : {".wav", ".flac", ".mp3", ".ogg", ".opus", video_extension})
    if (is_file(folder / (name + extension))) return folder / (name + extension);
  return folder / (name + ".wav");
}

struct Columns {
  size_t text, speaker, emotion, sentiment, dialogue, utterance;
};

Columns columns_of(const Table& table, const Path& file) {
  const auto column = [&](const char* name) -> size_t {
    if (table.column(name) < 0) fail("{}: there is no column '{}': use MELD's own file", file.string(), name);
    return table.column(name);
  };
  return {column("Utterance"), column("Speaker"),     column("Emotion"),
          column("Sentiment"), column("Dialogue_ID"), column("Utterance_ID")};
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

void add_partition(const Path& root, const Partition& part, const Path& file, RawCorpus& corpus) {
  const UserTable read = read_user_table(file);
  const Table& table = read.table;
  for (const std::string& note : read.notes) corpus.notes.push_back(fmt::format("{}: {}", file.string(), note));
  const auto columns = columns_of(table, file);
  const Path folder = audio_folder(root, part);
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const auto& row = table.rows[i];
    const auto &dialogue = row[columns.dialogue], &utterance = row[columns.utterance];
    if (!is_number(dialogue) || !is_number(utterance))
      fail("{}: row {}: Dialogue_ID '{}' and Utterance_ID '{}' are not both whole numbers", file.string(),
           table.number(i), dialogue, utterance);
    if (row[columns.emotion].empty()) fail("{}: row {}: the emotion is empty", file.string(), table.number(i));
    const std::string name = fmt::format("dia{}_utt{}", dialogue, utterance);
    Clip clip;
    clip.path = audio_file(folder, name);
    if (name == part.broken && !is_file(clip.path)) {
      corpus.notes.push_back(
          fmt::format("left out {} of {}, whose video is damaged in the corpus itself", name, part.name));
      continue;
    }
    clip.id = name_below(root, clip.path);
    clip.label = row[columns.emotion];
    clip.speaker = row[columns.speaker];
    clip.text = row[columns.text];
    clip.corpus = "meld";
    clip.language = "en";
    clip.extra = {part.name, fmt::format("{}-{}", part.name, dialogue), row[columns.sentiment]};
    corpus.clips.clips.push_back(std::move(clip));
  }
}

// Notes how many clips are there as video alone, and the shell's loop that converts them.
void tell_of_videos(RawCorpus& corpus) {
  int64_t count = 0;
  std::vector<std::string> folders;
  for (const Clip& clip : corpus.clips.clips) {
    if (clip.path.extension() != video_extension) continue;
    ++count;
    const std::string files = shell_word(clip.path.parent_path().string()) + "/*" + video_extension;
    if (std::ranges::find(folders, files) == folders.end()) folders.push_back(files);
  }
  if (count > 0)
    corpus.notes.push_back(fmt::format(
        "{} clips are there as video ({}) alone, from which the program ffmpeg decodes the sound each time; to convert "
        "them once, run: for f in {}; do ffmpeg -nostdin -i \"$f\" -vn \"${{f%{}}}.wav\"; done; then read the corpus "
        "again",
        count, video_extension, fmt::join(folders, " "), video_extension));
}

class MeldReader : public Reader {
 public:
  std::string name() const override { return "meld"; }
  std::string description() const override {
    return "MELD, English: the folder with train_sent_emo.csv and train_splits/dia0_utt0.wav";
  }

  RawCorpus read(const Path& root, const ReaderOptions&) const override {
    if (!is_directory(root)) fail("{} is no folder: give the folder that holds the corpus", root.string());
    RawCorpus corpus;
    corpus.clips.folder = root;
    corpus.clips.extra_columns = {"partition", "dialogue", "sentiment"};
    for (const auto& part : partitions) {
      if (const auto file = text_file(root, part))
        add_partition(root, part, *file, corpus);
      else
        corpus.notes.push_back(fmt::format("{}_sent_emo.csv is not there", part.name));
    }
    if (corpus.clips.clips.empty())
      fail("{} holds no MELD: give the folder with train_sent_emo.csv, dev_sent_emo.csv and test_sent_emo.csv",
           root.string());
    tell_of_videos(corpus);
    if (const auto changed = unify_spellings(corpus.clips, &Clip::speaker))
      corpus.notes.push_back(
          fmt::format("{} utterances spell their speaker in other case or spaces than earlier ones; "
                      "the first spelling was taken",
                      changed));
    return corpus;
  }

  // From the table in the authors' repository: train, dev and test together.
  PublishedCounts published(const ReaderOptions&) const override {
    return {{{"anger", 1607},
             {"disgust", 361},
             {"fear", 358},
             {"joy", 2308},
             {"neutral", 6436},
             {"sadness", 1002},
             {"surprise", 1636}},
            {},
            {},
            {}};
  }
};

}  // namespace

const Reader& meld_reader() {
  static const MeldReader reader;
  return reader;
}

}  // namespace loralens
