// SPDX-License-Identifier: Apache-2.0
// A toy reader: files <speaker>_<label>_<number>.wav.
#include "corpus/readers/readers.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

class Toy : public Reader {
 public:
  std::string name() const override { return "toy"; }
  std::string description() const override { return "files <speaker>_<label>_<number>.wav"; }

  RawCorpus read(const Path& root, const ReaderOptions&) const override {
    RawCorpus corpus;
    corpus.clips.folder = root;
    for (const Path& file : files_in(root)) {
      Clip clip;
      clip.id = name_below(root, file);
      clip.path = file;
      const size_t label = clip.id.find('_') + 1;
      clip.speaker = clip.id.substr(0, label - 1);
      clip.label = clip.id.substr(label, clip.id.find('_', label) - label);
      corpus.clips.clips.push_back(std::move(clip));
    }
    return corpus;
  }
};

}  // namespace

const Reader& toy_reader() {
  static const Toy reader;
  return reader;
}

}  // namespace loralens
