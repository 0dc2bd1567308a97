// SPDX-License-Identifier: Apache-2.0
// Readers of public corpora: convert a corpus in its distributed form to a table of clips. A new reader is one file and
// two lines in readers.cc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "corpus/clips.h"
#include "corpus/labels.h"

namespace loralens {

class WrittenAudio;

// Options of readers. A reader uses only `labels` and the options that its options() lists.
struct ReaderOptions {
  std::string labels = "default";  // "default": the reader's default_labels(); else as for label_map_of
  std::string style;  // iemocap: improvised or scripted; empty: both
  bool segments = false;  // iemocap: utterances are segments of the dialogues' audio
  std::string table;  // audformat: the table with the labels; empty: the only one with labels
  std::string perceived;  // crema-d: label by the raters' vote (voice, face or multimodal); empty: by acted emotion
  // folders, table, emobox, datasets, audformat: regular expression whose group is the speaker; empty: none
  std::string speaker_pattern;
  std::string
      audio;  // table, emobox: folder to which the paths are relative; empty: the table's own, or where they are found
  // table: names of the user's columns. Columns after label_column are optional if they have their default name.
  std::string path_column = "path", label_column = "label", speaker_column = "speaker", session_column = "session",
              text_column = "text", start_column = "start", end_column = "end", corpus_column = "corpus",
              language_column = "language", gender_column = "gender", intensity_column = "intensity";
  // datasets: the folder into which audio that lies inside tables is written, and whether it may replace one that was
  // written so before.
  Path audio_folder;
  bool replace_audio = false;
};

// An option of a reader besides --labels: its flag, and the field of ReaderOptions for its value.
struct ReaderOption {
  std::string flag, description;
  std::variant<std::string ReaderOptions::*, bool ReaderOptions::*> value;
  std::string (*complaint)(const std::string&) = nullptr;  // checks a value: "" if it is valid, else the reason
};

// The result of a reader, before labels are mapped.
struct RawCorpus {
  // Labels as the corpus writes them (single letters spelled out); ids relative to the root.
  Clips clips;
  std::vector<std::string> notes;  // one line each: skipped files, with their number and the reason
  std::shared_ptr<WrittenAudio> audio;  // the clips' audio files, if the reader wrote them; read_corpus finishes it
};

// Published numbers of clips, for comparison; empty if unknown.
struct PublishedCounts {
  std::map<std::string, int64_t> labels;  // by the corpus's own label
  std::map<std::string, int64_t> speakers, sessions, classes;  // with the reader's default labels; `classes` only if
      // the numbers of single labels are not all known
};

struct Reader {
  virtual ~Reader() = default;
  virtual std::string name() const = 0;
  virtual std::string description() const = 0;  // one line
  virtual std::vector<ReaderOption> options() const { return {}; }
  // Error if `root` does not look like this corpus.
  virtual RawCorpus read(const Path& root, const ReaderOptions& options) const = 0;
  virtual LabelMap default_labels() const { return {{}, false}; }  // keeps every label
  virtual PublishedCounts published(const ReaderOptions&) const { return {}; }
};

// All readers, sorted by name.
const std::vector<const Reader*>& readers();
// Error, with the list of names, if there is no reader of that name.
const Reader& reader(const std::string& name);

struct ReadCorpus {
  Clips clips;  // labels mapped, sorted by id
  // Lines of text: counts per class, speaker and session; dropped clips and skipped files with the reason; missing
  // audio; segments outside their file; differences from the published counts.
  std::string summary;
  Path audio_folder;  // the folder that the reader wrote; empty if it wrote none
};

// Reads the corpus at `root` with a reader, maps its labels, and checks names and ids. Errors of the reader,
// label_map_of, apply_labels, check_cells and check_spellings; error for an id that occurs twice.
ReadCorpus read_corpus(const std::string& reader_name, const Path& root, const ReaderOptions& options = {});

}  // namespace loralens
