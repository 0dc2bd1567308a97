#include "corpus/join.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "base/error.h"

namespace loralens {
namespace {

struct NamedTable {
  std::string name;  // of the file, for errors
  Clips clips;
  bool named_by_file = false;  // whether a clip's corpus is the name of the file
};

NamedTable read_table(const std::string& path) {
  NamedTable table{path, read_clips(path)};
  for (Clip& clip : table.clips.clips)
    if (clip.corpus.empty()) {
      clip.corpus = Path(path).stem().string();
      table.named_by_file = true;
    }
  return table;
}

// Two tables without a name of their own may well be two corpora under one file name, such as clips.csv.
void check_names(const std::vector<NamedTable>& tables) {
  std::map<std::string, const NamedTable*> owners;
  for (const NamedTable& table : tables) {
    std::set<std::string> corpora;
    for (const Clip& clip : table.clips.clips) corpora.insert(clip.corpus);
    for (const std::string& corpus : corpora) {
      const auto [owner, fresh] = owners.emplace(corpus, &table);
      if (!fresh && (owner->second->named_by_file || table.named_by_file))
        fail("{} and {} both hold a corpus '{}': give each a column 'corpus' with its name, or the files other names",
             owner->second->name, table.name, corpus);
    }
  }
}

// The joined table's place of each extra column of `part`.
std::vector<size_t> places_of(Clips& joined, const Clips& part) {
  std::vector<size_t> places;
  for (const std::string& column : part.extra_columns) {
    const auto found = std::ranges::find(joined.extra_columns, column);
    places.push_back(static_cast<size_t>(found - joined.extra_columns.begin()));
    if (found == joined.extra_columns.end()) joined.extra_columns.push_back(column);
  }
  return places;
}

void make_distinct(Clip& clip) {
  for (std::string* name : {&clip.speaker, &clip.session})
    if (!name->empty()) *name = clip.corpus + "/" + *name;
}

Clips joined(std::vector<NamedTable> tables) {
  Clips all;
  std::unordered_map<std::string, const std::string*> owners;  // of ids
  for (NamedTable& table : tables) {
    const auto places = places_of(all, table.clips);
    for (Clip& clip : table.clips.clips) {
      const auto [owner, fresh] = owners.emplace(clip.id, &table.name);
      if (!fresh)
        fail("the clip '{}' is in {} and in {}, and an id must name one clip: if they are two files, put one of the "
             "tables into another folder, so that its paths (relative to it) differ",
             clip.id, *owner->second, table.name);
      make_distinct(clip);
      std::vector<std::string> extra(places.empty() ? 0 : *std::ranges::max_element(places) + 1);
      for (size_t i = 0; i < places.size(); ++i) extra[places[i]] = std::move(clip.extra[i]);
      clip.extra = std::move(extra);
      all.clips.push_back(std::move(clip));
    }
  }
  for (Clip& clip : all.clips) clip.extra.resize(all.extra_columns.size());
  return all;
}

}  // namespace

Clips read_corpora(std::span<const std::string> tables) {
  if (tables.empty()) fail("there is no table of clips to read");
  std::vector<NamedTable> read;
  std::set<Path> seen;
  for (const std::string& table : tables) {
    if (!seen.insert(std::filesystem::weakly_canonical(table)).second) fail("the table {} is given twice", table);
    read.push_back(read_table(table));
  }
  if (read.size() == 1) return std::move(read.front().clips);
  check_names(read);
  return joined(std::move(read));
}

}  // namespace loralens
