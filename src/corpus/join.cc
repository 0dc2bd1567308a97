// SPDX-License-Identifier: Apache-2.0
#include "corpus/join.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "corpus/names.h"

namespace loralens {
namespace {

struct NamedTable {
  std::string name;  // the file's path, for errors
  Clips clips;
  std::vector<bool> named_by_file;  // for each clip, whether its corpus is taken from the file name
};

NamedTable read_table(const std::string& path) {
  NamedTable table{path, read_clips(path), {}};
  for (Clip& clip : table.clips.clips) {
    table.named_by_file.push_back(clip.corpus.empty());
    if (clip.corpus.empty()) clip.corpus = Path(path).stem().string();
  }
  return table;
}

// The clips of all tables before joining, with their table and row for errors.
struct Everyone {
  explicit Everyone(const std::vector<NamedTable>& tables) {
    for (const NamedTable& table : tables)
      for (size_t i = 0; i < table.clips.clips.size(); ++i) {
        clips.push_back(&table.clips.clips[i]);
        named_by_file.push_back(table.named_by_file[i]);
        rows.emplace_back(&table.name, table.clips.clips[i].row);
      }
  }
  std::string place(size_t clip) const { return fmt::format("{}: row {}", *rows[clip].first, rows[clip].second); }

  std::vector<const Clip*> clips;
  std::vector<bool> named_by_file;
  std::vector<std::pair<const std::string*, size_t>> rows;
};

// Error for a speaker or session that is in two corpora of which one is named only by its file: the two files may be
// parts of one corpus, and the speaker one person.
void check_unnamed(const Everyone& all, const char* what, std::string Clip::* member) {
  // Folded name -> corpus -> one of its clips, preferably one whose corpus is taken from the file name.
  std::unordered_map<std::string, std::map<std::string, size_t>> names;
  for (size_t i = 0; i < all.clips.size(); ++i) {
    const Clip& clip = *all.clips[i];
    if ((clip.*member).empty()) continue;
    auto& corpora = names[folded_name(clip.*member)];
    const auto [own, fresh] = corpora.emplace(clip.corpus, i);
    if (!fresh && all.named_by_file[own->second] >= all.named_by_file[i]) continue;
    own->second = i;
    for (const auto& [corpus, other] : corpora)
      if (corpus != clip.corpus && (all.named_by_file[i] || all.named_by_file[other]))
        fail(
            "the {} '{}' is in {} and in {}, but {} names no corpus: give both tables a column 'corpus', with one "
            "name if they are parts of one corpus and with two if these are different {}s",
            what, clip.*member, all.place(other), all.place(i), all.place(all.named_by_file[i] ? i : other), what);
  }
}

bool names_itself(const NamedTable& table) {
  return std::ranges::find(table.named_by_file, true) == table.named_by_file.end();
}

// Error if two tables hold a corpus of the same name and one takes it from its file name: different corpora may have
// the same file name, such as clips.csv.
void check_names(const std::vector<NamedTable>& tables) {
  std::map<std::string, const NamedTable*> owners;
  for (const NamedTable& table : tables) {
    std::set<std::string> corpora;
    for (const Clip& clip : table.clips.clips) corpora.insert(clip.corpus);
    for (const std::string& corpus : corpora) {
      const auto [owner, fresh] = owners.emplace(corpus, &table);
      if (!fresh && (!names_itself(*owner->second) || !names_itself(table)))
        fail("{} and {} both hold a corpus '{}': give each a column 'corpus' with its name, or the files other names",
             owner->second->name, table.name, corpus);
    }
  }
}

// For each extra column of `part`, its index in the joined table, to which new columns are added.
std::vector<size_t> places_of(Clips& joined, const Clips& part) {
  std::vector<size_t> places;
  for (const std::string& column : part.extra_columns) {
    const auto found = std::ranges::find(joined.extra_columns, column);
    places.push_back(found - joined.extra_columns.begin());
    if (found == joined.extra_columns.end()) joined.extra_columns.push_back(column);
  }
  return places;
}

void make_distinct(Clip& clip) {
  for (std::string* name : {&clip.speaker, &clip.session})
    if (!name->empty()) *name = clip.corpus + "/" + *name;
}

void check_ids(const std::vector<NamedTable>& tables) {
  std::unordered_map<std::string_view, const std::string*> owners;
  for (const NamedTable& table : tables)
    for (const Clip& clip : table.clips.clips)
      if (const auto [owner, fresh] = owners.emplace(clip.id, &table.name); !fresh)
        fail(
            "the clip '{}' is in {} and in {}, and an id must name one clip: if they are two files, put one of the "
            "tables into another folder, so that its paths (relative to it) differ",
            clip.id, *owner->second, table.name);
}

Clips joined(std::vector<NamedTable> tables) {
  Clips all;
  for (NamedTable& table : tables) {
    const auto places = places_of(all, table.clips);
    for (Clip& clip : table.clips.clips) {
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

Clips read_corpora(std::span<const std::string> tables, const LabelMap& labels,
                   std::map<std::string, int64_t>* dropped) {
  if (tables.empty()) fail("there is no table of clips to read");
  std::vector<NamedTable> read;
  std::set<Path> seen;
  for (const std::string& table : tables) {
    if (!seen.insert(std::filesystem::weakly_canonical(table)).second) fail("the table {} is given twice", table);
    read.push_back(read_table(table));
  }
  if (read.size() > 1) check_names(read);
  check_ids(read);
  const Everyone all(read);
  check_spellings(all.clips, labels, [&](size_t clip) { return all.place(clip); });
  check_unnamed(all, "speaker", &Clip::speaker);
  check_unnamed(all, "session", &Clip::session);
  Clips clips = read.size() == 1 ? std::move(read.front().clips) : joined(std::move(read));
  auto left_out = apply_labels(clips, labels);
  if (dropped) *dropped = std::move(left_out);
  return clips;
}

}  // namespace loralens
