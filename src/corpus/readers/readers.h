// Readers of public corpora: from a corpus as it is distributed to the table of clips. A new reader is one file and
// its lines in readers.cc.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "corpus/clips.h"
#include "corpus/labels.h"

namespace loralens {

// What the user may choose. A reader looks only at `labels` and at what its own options() name.
struct ReaderOptions {
  std::string labels = "default";  // "default": the reader's own choice; else as for label_map_of
  std::string style;               // iemocap: improvised or scripted; empty: both
  bool segments = false;           // iemocap: utterances are segments of the dialogues' audio
  std::string perceived;  // crema-d: voice, face or multimodal, whose raters' vote is the label; empty: acted
  std::string speaker_pattern;  // folders: regular expression whose group is the speaker; empty: none
  // table: the columns of the user's table that hold these. Those after `speaker` are optional under their own name.
  std::string path_column = "path", label_column = "label", speaker_column = "speaker", session_column = "session",
              text_column = "text", start_column = "start", end_column = "end", corpus_column = "corpus",
              language_column = "language", gender_column = "gender", intensity_column = "intensity";
};

// An option that a reader takes besides --labels: its flag, and where its value goes.
struct ReaderOption {
  std::string flag, description;
  std::variant<std::string ReaderOptions::*, bool ReaderOptions::*> value;
  std::string (*complaint)(const std::string&) = nullptr;  // "" if the value can be, else what is wrong with it
};

// What a reader found, before labels are mapped.
struct RawCorpus {
  // Labels as the corpus writes them (single letters spelled out); ids relative to the root.
  Clips clips;
  std::vector<std::string> notes;  // one line each: what was passed over, how often, and why
};

// Numbers of clips that publications give, for comparison; empty where none are known.
struct PublishedCounts {
  std::map<std::string, int64_t> labels;  // by the corpus's own label
  std::map<std::string, int64_t> speakers, sessions, classes;  // with the reader's default labels; `classes` only where
      // not every label's number is known
};

struct Reader {
  virtual ~Reader() = default;
  virtual std::string name() const = 0;
  virtual std::string description() const = 0;  // one line
  virtual std::vector<ReaderOption> options() const { return {}; }
  // Error if `root` does not look like this corpus.
  virtual RawCorpus read(const Path& root, const ReaderOptions& options) const = 0;
  virtual LabelMap default_labels() const { return {{}, false}; }  // every label as it is
  virtual PublishedCounts published(const ReaderOptions&) const { return {}; }
};

// All readers, in order of their names.
const std::vector<const Reader*>& readers();
// Error, listing the names, if there is none of that name.
const Reader& reader(const std::string& name);

struct ReadCorpus {
  Clips clips;  // labels mapped, sorted by id
  // Lines of text: counts per class, speaker and session, what was dropped or passed over and why, missing audio,
  // segments outside their file, and where the counts differ from the published ones.
  std::string summary;
};

ReadCorpus read_corpus(const std::string& reader_name, const Path& root, const ReaderOptions& options = {});

}  // namespace loralens
