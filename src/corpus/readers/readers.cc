// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/readers.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "corpus/names.h"
#include "corpus/readers/written_audio.h"

namespace loralens {

// Each reader has one line here and one in readers(); it is defined in a file of its own.
const Reader& audformat_reader();
const Reader& crema_d_reader();
const Reader& datasets_reader();
const Reader& emo_db_reader();
const Reader& emobox_reader();
const Reader& esd_reader();
const Reader& folders_reader();
const Reader& iemocap_reader();
const Reader& meld_reader();
const Reader& msp_improv_reader();
const Reader& msp_podcast_reader();
const Reader& ravdess_reader();
const Reader& savee_reader();
const Reader& table_reader();
const Reader& tess_reader();

const std::vector<const Reader*>& readers() {
  static const std::vector<const Reader*> all = {
      &audformat_reader(),   &crema_d_reader(), &datasets_reader(), &emo_db_reader(), &emobox_reader(),
      &esd_reader(),         &folders_reader(), &iemocap_reader(),  &meld_reader(),   &msp_improv_reader(),
      &msp_podcast_reader(), &ravdess_reader(), &savee_reader(),    &table_reader(),  &tess_reader()};
  return all;
}

const Reader& reader(const std::string& name) {
  std::string names;
  for (const auto* one : readers()) {
    if (one->name() == name) return *one;
    names += " " + one->name();
  }
  fail("there is no reader '{}' for a corpus; there are:{}", name, names);
}

namespace {

using Counts = std::map<std::string, int64_t>;
constexpr size_t most_listed = 60;

bool has_fewer(const Counts::value_type& a, const Counts::value_type& b) { return a.second < b.second; }

std::string list_of(const Counts& counts) {
  std::string text;
  for (const auto& [name, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name.empty() ? "(none)" : name, count);
  return text;
}

// "" if the counts agree; else the differences, found of published: "anger 5 of 127, ...".
std::string differences(const Counts& found, const Counts& published) {
  Counts names = published;
  names.insert(found.begin(), found.end());
  std::string text;
  for (const auto& entry : names) {
    const auto count = [&](const Counts& counts) {
      const auto place = counts.find(entry.first);
      return place == counts.end() ? 0 : place->second;
    };
    if (count(found) != count(published))
      text += fmt::format("{}{} {} of {}", text.empty() ? "" : ", ", entry.first, count(found), count(published));
  }
  return text;
}

// The published counts of a corpus's labels, summed over the labels that a map gives the same class.
Counts mapped(const Counts& published, const LabelMap& map) {
  Counts counts;
  for (const auto& [label, count] : published) {
    const auto found = map.to.find(label);
    if (found != map.to.end())
      counts[found->second] += count;
    else if (!map.drop_rest)
      counts[label] += count;
  }
  return counts;
}

std::string comparison(const Clips& clips, const Reader& reader, const ReaderOptions& options, const LabelMap& map) {
  const auto published = reader.published(options);
  std::string text;
  int64_t compared = 0;
  const auto compare = [&](const char* column, const Counts& counts) {
    if (counts.empty()) return;
    ++compared;
    if (const auto difference = differences(counts_by(clips, column), counts); !difference.empty())
      text += fmt::format("differs from the published counts by {} (found of published): {}\n", column, difference);
  };
  compare("label", mapped(published.labels, map));
  if (map == reader.default_labels()) {
    compare("label", published.classes);
    compare("session", published.sessions);
    compare("speaker", published.speakers);
  }
  return compared > 0 && text.empty() ? "as published\n" : text;
}

std::string description_of(const Clips& clips, const std::vector<std::string>& notes, const Counts& dropped) {
  std::string text = fmt::format("{} clips\n", clips.clips.size());
  for (const char* column : {"label", "session", "speaker"}) {
    const auto counts = counts_by(clips, column);
    if (counts.size() > most_listed)
      text += fmt::format("by {}: {} of them, with {} to {} clips\n", column, counts.size(),
                          std::min_element(counts.begin(), counts.end(), has_fewer)->second,
                          std::max_element(counts.begin(), counts.end(), has_fewer)->second);
    else if (counts.size() > 1 || !counts.contains(""))
      text += fmt::format("by {}: {}\n", column, list_of(counts));
  }
  if (!dropped.empty())
    text += fmt::format("dropped, as the labels asked for do not name them: {}\n", list_of(dropped));
  for (const auto& note : notes) text += note + "\n";
  for (const auto& problem : {check_files(clips), check_segments(clips)})
    if (!problem.empty()) text += problem + "\n";
  return text;
}

}  // namespace

ReadCorpus read_corpus(const std::string& reader_name, const Path& root, const ReaderOptions& options) {
  const Reader& chosen = reader(reader_name);
  const auto map = options.labels == "default" ? chosen.default_labels() : label_map_of(options.labels);
  auto raw = chosen.read(root, options);
  const PlaceOf place = [&](size_t clip) {
    return fmt::format("{}: the clip {}", root.string(), shown(raw.clips.clips[clip].id));
  };
  check_cells(raw.clips, place);
  const auto dropped = apply_labels(raw.clips, map);
  std::vector<const Clip*> kept;
  for (const Clip& clip : raw.clips.clips) kept.push_back(&clip);
  check_spellings(kept, {{}, false}, place);
  auto& clips = raw.clips.clips;
  std::sort(clips.begin(), clips.end(), [](const Clip& a, const Clip& b) { return a.id < b.id; });
  for (size_t i = 1; i < clips.size(); ++i)
    if (clips[i].id == clips[i - 1].id)
      fail("{}: the clip '{}' is labelled twice: remove one", root.string(), clips[i].id);
  auto summary = description_of(raw.clips, raw.notes, dropped) + comparison(raw.clips, chosen, options, map);
  if (!raw.audio) return {std::move(raw.clips), std::move(summary), {}};
  const std::string written = raw.audio->finish(raw.clips);
  return {std::move(raw.clips), summary + written, written.empty() ? Path() : options.audio_folder};
}

}  // namespace loralens
