// Readers of public corpora: from a corpus as it is distributed to the table of clips. A new reader is one file and
// its lines in readers.cc.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "corpus/clips.h"
#include "corpus/labels.h"

namespace loralens {

struct ReaderOptions {
  std::string labels = "default";  // "default": the reader's own choice; else as for label_map_of
  // Reader "table" only: the columns of the user's table that hold these.
  std::string path_column = "path", label_column = "label", speaker_column = "speaker";
};

// What a reader found, before labels are mapped.
struct RawCorpus {
  Clips clips;                     // labels as the corpus writes them; ids relative to the root
  std::vector<std::string> notes;  // one line each: what was passed over, how often, and why
};

// Numbers of clips that publications give, for comparison; empty where none are known.
struct PublishedCounts {
  std::map<std::string, int64_t> labels;             // by the corpus's own label
  std::map<std::string, int64_t> speakers, sessions; // with the reader's default labels
};

struct Reader {
  virtual ~Reader() = default;
  virtual std::string name() const = 0;
  virtual std::string description() const = 0;  // one line
  // Error if `root` does not look like this corpus.
  virtual RawCorpus read(const Path& root, const ReaderOptions& options) const = 0;
  virtual LabelMap default_labels() const { return {{}, false}; }  // every label as it is
  virtual PublishedCounts published() const { return {}; }
};

// All readers, in order of their names.
const std::vector<const Reader*>& readers();
// Error, listing the names, if there is none of that name.
const Reader& reader(const std::string& name);

struct ReadCorpus {
  Clips clips;  // labels mapped, sorted by id
  // Lines of text: counts per class, speaker and session, what was dropped or passed over, missing audio, and where
  // the counts differ from the published ones.
  std::string summary;
};

ReadCorpus read_corpus(const std::string& reader_name, const Path& root, const ReaderOptions& options = {});

}  // namespace loralens
