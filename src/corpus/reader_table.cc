// A table of the user's own, comma-separated or (.tsv) tab-separated, with columns of any name.
#include <algorithm>

#include "base/error.h"
#include "corpus/readers.h"

namespace loralens {
namespace {

// Gives the column that the user calls `theirs` the name `ours`.
void rename(Table& table, const std::string& theirs, const std::string& ours, const Path& path) {
  const int column = table.column(theirs);
  if (column < 0)
    fail("{}: there is no column '{}' for the {}: name the right one; there are: {}", path.string(), theirs, ours,
         fmt::join(table.header, " "));
  if (theirs != ours && table.column(ours) >= 0)
    fail("{}: '{}' is to be the {}, but there is a column '{}' too: rename that one", path.string(), theirs, ours,
         ours);
  table.header[static_cast<size_t>(column)] = ours;
}

class TableReader : public Reader {
 public:
  std::string name() const override { return "table"; }
  std::string description() const override {
    return "a CSV or TSV table; the columns for path, label and speaker are named by options, paths relative to it";
  }

  RawCorpus read(const Path& root, const ReaderOptions& options) const override {
    const bool tabs = root.extension() == ".tsv";
    Table table = read_csv(root, tabs ? '\t' : ',');
    if (options.path_column == options.label_column || options.path_column == options.speaker_column ||
        options.label_column == options.speaker_column)
      fail("{}: path, label and speaker need a column each", root.string());
    rename(table, options.path_column, "path", root);
    rename(table, options.label_column, "label", root);
    rename(table, options.speaker_column, "speaker", root);
    return {clips_of_table(table, root.string(), root.parent_path()), {}};
  }
};

}  // namespace

const Reader& table_reader() {
  static const TableReader reader;
  return reader;
}

}  // namespace loralens
