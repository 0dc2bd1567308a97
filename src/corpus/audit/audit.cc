// SPDX-License-Identifier: Apache-2.0
#include "corpus/audit/audit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "base/progress.h"
#include "corpus/audit/findings.h"
#include "corpus/groups.h"
#include "corpus/names.h"
#include "corpus/unreadable.h"
#include "statistics/quantile.h"

namespace loralens {
namespace {

using nlohmann::json;
using Pairs = std::vector<std::pair<int64_t, int64_t>>;

constexpr int8_t in_none = -1;
constexpr size_t named = 10;         // most examples of an overlap
constexpr double much_clipped = 1e-3, much_silence = 0.8, much_offset = 0.01, window_seconds = 30;

// For each clip, its part in a fold: 0 train, 1 development, 2 test, or in_none.
std::vector<int8_t> parts_of(const Fold& fold, size_t clips) {
  std::vector<int8_t> parts(clips, in_none);
  int8_t part = 0;
  for (const auto* numbers : {&fold.train, &fold.development, &fold.test}) {
    for (const int64_t clip : *numbers) parts[clip] = part;
    ++part;
  }
  return parts;
}

// The groups that are in two parts: {"train-test": {count, clips, examples}}. clips: their clips in the second part.
json shared_groups(const Groups& groups, const std::vector<int8_t>& parts) {
  std::vector<std::array<int64_t, 3>> counts(groups.names.size());
  for (size_t clip = 0; clip < parts.size(); ++clip)
    if (parts[clip] != in_none) ++counts[groups.of_clip[clip]][parts[clip]];
  json shared = json::object();
  for (const auto& pair : part_pairs) {
    int64_t count = 0, clips = 0;
    json examples = json::array();
    for (size_t group = groups.names[0].empty() ? 1 : 0; group < counts.size(); ++group) {
      const int64_t first = counts[group][pair[0]];
      const int64_t second = counts[group][pair[1]];
      if (first == 0 || second == 0) continue;
      ++count;
      clips += second;
      if (examples.size() < named) examples.push_back(groups.names[group]);
    }
    if (count > 0) shared[pair_name(pair)] = {{"count", count}, {"clips", clips}, {"examples", examples}};
  }
  return shared;
}

// The pairs of clips that are in two parts: {"train-test": {count, examples: [[id, id]]}}.
json shared_pairs(const Pairs& pairs, const Clips& clips, const std::vector<int8_t>& parts) {
  json shared = json::object();
  for (const auto& [first, second] : pairs) {
    std::array<int, 2> sides = {parts[first], parts[second]};
    if (sides[0] == in_none || sides[1] == in_none || sides[0] == sides[1]) continue;
    const bool turned = sides[0] > sides[1];
    if (turned) std::swap(sides[0], sides[1]);
    json& entry = shared[pair_name(sides)];
    if (entry.is_null()) entry = {{"count", 0}, {"examples", json::array()}};
    entry["count"] = entry["count"].get<int64_t>() + 1;
    if (entry["examples"].size() < named)
      entry["examples"].push_back({clips.clips[turned ? second : first].id, clips.clips[turned ? first : second].id});
  }
  return shared;
}

// Groups clips by the digest of their samples; "" for clips that could not be read.
Groups by_digest(const std::vector<Recording>& recordings) {
  std::vector<std::string> digests;
  for (const auto& recording : recordings) digests.push_back(recording.digest);
  return groups_of(digests);
}

// The clips of each group of two or more.
std::vector<std::vector<int64_t>> repeated(const Groups& groups) {
  std::vector<std::vector<int64_t>> members(groups.names.size());
  for (size_t clip = 0; clip < groups.of_clip.size(); ++clip)
    if (const int64_t group = groups.of_clip[clip]; !groups.names[group].empty())
      members[group].push_back(static_cast<int64_t>(clip));
  std::erase_if(members, [](const auto& clips) { return clips.size() < 2; });
  std::sort(members.begin(), members.end());
  return members;
}

Pairs pairs_of(const std::vector<std::vector<int64_t>>& groups) {
  Pairs pairs;
  for (const auto& clips : groups)
    for (size_t i = 0; i < clips.size(); ++i)
      for (size_t j = i + 1; j < clips.size(); ++j) pairs.emplace_back(clips[i], clips[j]);
  return pairs;
}

Pairs pairs_of(const std::vector<NearPair>& near) {
  Pairs pairs;
  for (const auto& pair : near) pairs.emplace_back(pair.first, pair.second);
  return pairs;
}

std::vector<std::string> audio_paths(const Clips& clips) {
  std::vector<std::string> paths;
  for (const auto& clip : clips.clips) paths.push_back(clip.path.string());
  return paths;
}

// Data of the table (groups, identical and near-identical audio, overlapping segments) with which each fold is audited.
class Audit {
 public:
  Audit(const Clips& clips, const std::vector<Recording>& recordings)
      : clips_(clips),
        recordings_(recordings),
        classes_(classes_of(clips)),
        class_numbers_(class_numbers(clips, classes_)),
        speakers_(groups_of(group_values(clips, "speaker"))),
        texts_(groups_of(group_values(clips, "text"))),
        files_(groups_of(audio_paths(clips))),
        identical_(repeated(by_digest(recordings))),
        near_(near_pairs(recordings)),
        segments_(overlapping_segments(clips)) {}

  json table() const {
    json summary = part_summary(all_clips(clips_));
    summary["files"] = files_.size();
    summary["corpora"] = counts_by(clips_, "corpus");
    summary["unknown_speakers"] =
        std::count_if(clips_.clips.begin(), clips_.clips.end(), [](const Clip& clip) { return clip.speaker.empty(); });
    summary["spellings"] = json::array();
    const PlaceOf id = [&](size_t clip) { return clips_.clips[clip].id; };
    for (const TwoSpellings& pair : spellings_of(clips_)) summary["spellings"].push_back(describe(pair, id));
    return summary;
  }

  json fold(const Fold& fold, int64_t number) const {
    const auto parts = parts_of(fold, clips_.clips.size());
    json summary = {{"fold", number}, {"unused", std::count(parts.begin(), parts.end(), in_none)}};
    summary["parts"] = {{"train", part_summary(fold.train)},
                        {"development", part_summary(fold.development)},
                        {"test", part_summary(fold.test)}};
    summary["shared"] = {{"speakers", shared_groups(speakers_, parts)},
                         {"texts", shared_groups(texts_, parts)},
                         {"files", shared_groups(files_, parts)},
                         {"overlapping_segments", shared_pairs(segments_, clips_, parts)}};
    if (recordings_.empty()) return summary;
    summary["shared"]["identical_audio"] = shared_pairs(pairs_of(identical_), clips_, parts);
    summary["shared"]["near_identical_audio"] = shared_pairs(pairs_of(near_), clips_, parts);
    return summary;
  }

  // A sentence about the first audio that is in two parts of the fold; "" if there is none.
  std::string audio_leak(const Fold& fold, int64_t number) const {
    const auto parts = parts_of(fold, clips_.clips.size());
    const std::pair<const char*, Pairs> kinds[] = {{"the same samples", pairs_of(identical_)},
                                                   {"overlapping segments of a file", segments_},
                                                   {"the same recording, changed a little,", pairs_of(near_)}};
    for (const auto& [what, pairs] : kinds) {
      const json shared = shared_pairs(pairs, clips_, parts);
      if (shared.empty()) continue;
      const auto ids = shared.front()["examples"][0].get<std::vector<std::string>>();
      return fmt::format("fold {} has {} in {}: {} and {}", number, what, shared.begin().key(), ids[0], ids[1]);
    }
    return "";
  }

  json audio() const {
    json result = {{"examined", recordings_.size()}, {"identical", json::array()}, {"near_identical", json::array()}};
    for (const auto& group : identical_) result["identical"].push_back(ids(group));
    for (const auto& pair : near_)
      result["near_identical"].push_back(
          {{"clips", ids({pair.first, pair.second})}, {"distance", pair.distance}, {"shift", pair.shift}});
    result["label_conflicts"] = label_conflicts();
    result["unreadable"] = listed([](const Recording& r) { return !r.error.empty(); }, "error",
                                  [](const Recording& r) { return json(r.error); });
    result["clipped"] = listed([](const Recording& r) { return r.clipped > much_clipped; }, "share",
                               [](const Recording& r) { return json(r.clipped); });
    result["silent"] = listed([](const Recording& r) { return r.silent > much_silence; }, "share",
                              [](const Recording& r) { return json(r.silent); });
    result["soundless"] = listed([](const Recording& r) { return !r.soundless.empty(); }, "reason",
                                 [](const Recording& r) { return json(r.soundless); });
    result["offset"] = listed([](const Recording& r) { return std::abs(r.offset) > much_offset; }, "mean",
                              [](const Recording& r) { return json(r.offset); });
    result["long"] = listed([](const Recording& r) { return r.seconds > window_seconds; }, "seconds",
                            [](const Recording& r) { return json(r.seconds); });
    std::map<std::string, int64_t> rates, channels;
    for (const auto& recording : recordings_) {
      if (!recording.error.empty()) continue;
      ++rates[std::to_string(recording.rate)];
      ++channels[std::to_string(recording.channels)];
    }
    result["rates"] = rates;
    result["channels"] = channels;
    result["seconds"] = seconds();
    return result;
  }

 private:
  json part_summary(const std::vector<int64_t>& numbers) const {
    std::set<int64_t> speakers, texts;
    std::vector<int64_t> clips(classes_.size());
    std::vector<double> seconds(classes_.size());
    for (const int64_t clip : numbers) {
      const int64_t c = class_numbers_[clip];
      if (!clips_.clips[clip].speaker.empty()) speakers.insert(speakers_.of_clip[clip]);
      if (!clips_.clips[clip].text.empty()) texts.insert(texts_.of_clip[clip]);
      ++clips[c];
      if (!recordings_.empty()) seconds[c] += recordings_[clip].seconds;
    }
    json summary = {{"clips", numbers.size()}, {"speakers", speakers.size()}, {"texts", texts.size()}};
    summary["classes"] = json::object();
    double total = 0;
    for (size_t c = 0; c < classes_.size(); ++c) {
      json& of_class = summary["classes"][classes_[c]];
      of_class["clips"] = clips[c];
      if (!recordings_.empty()) of_class["seconds"] = seconds[c];
      total += seconds[c];
    }
    if (!recordings_.empty()) summary["seconds"] = total;
    return summary;
  }

  std::vector<std::string> ids(const std::vector<int64_t>& numbers) const {
    std::vector<std::string> result;
    for (const int64_t number : numbers) result.push_back(clips_.clips[number].id);
    return result;
  }

  template <typename Is, typename Value>
  json listed(Is&& is, const char* name, Value&& value) const {
    json list = json::array();
    for (size_t i = 0; i < recordings_.size(); ++i)
      if (is(recordings_[i])) list.push_back({{"id", clips_.clips[i].id}, {name, value(recordings_[i])}});
    return list;
  }

  // Same audio under different labels.
  json label_conflicts() const {
    json list = json::array();
    auto groups = identical_;
    for (const auto& [first, second] : pairs_of(near_)) groups.push_back({first, second});
    for (const auto& group : groups) {
      std::set<std::string> labels;
      for (const int64_t clip : group) labels.insert(clips_.clips[clip].label);
      if (labels.size() > 1) list.push_back({{"clips", ids(group)}, {"labels", labels}});
    }
    return list;
  }

  json seconds() const {
    std::vector<double> lengths;
    double total = 0;
    for (const auto& recording : recordings_)
      if (recording.error.empty()) lengths.push_back(recording.seconds), total += recording.seconds;
    if (lengths.empty()) return nullptr;
    std::sort(lengths.begin(), lengths.end());
    return {{"total", total},
            {"shortest", lengths.front()},
            {"median", quantile(lengths, 0.5)},
            {"longest", lengths.back()}};
  }

  const Clips& clips_;
  const std::vector<Recording>& recordings_;
  std::vector<std::string> classes_;
  std::vector<int64_t> class_numbers_;
  Groups speakers_, texts_, files_;
  std::vector<std::vector<int64_t>> identical_;
  std::vector<NearPair> near_;
  Pairs segments_;
};

}  // namespace

json audit(const Clips& clips, const std::vector<Fold>& folds, const std::vector<Recording>& recordings) {
  const Audit table(clips, recordings);
  json result = {{"clips", table.table()}, {"folds", json::array()}};
  for (size_t f = 0; f < folds.size(); ++f) result["folds"].push_back(table.fold(folds[f], static_cast<int64_t>(f)));
  if (!recordings.empty()) result["audio"] = table.audio();
  result["findings"] = findings_of(result);
  return result;
}

void check_readable(const std::vector<Recording>& recordings, const std::string& advice) {
  std::vector<std::string> errors;
  for (const Recording& recording : recordings)
    if (!recording.error.empty()) errors.push_back(recording.error);
  refuse_unreadable(errors, recordings.size(), advice);
}

void tell_of_soundless(const Clips& clips, const std::vector<Recording>& recordings) {
  const auto has_none = [](const Recording& recording) { return !recording.soundless.empty(); };
  const auto first = std::ranges::find_if(recordings, has_none);
  if (first == recordings.end()) return;
  log_line(fmt::format("{} of {} clips have no sound (loralens audit lists them), such as {}: {}",
                       std::ranges::count_if(recordings, has_none), recordings.size(),
                       clips.clips[first - recordings.begin()].id, first->soundless));
}

std::string audio_leak(const Clips& clips, const std::vector<Fold>& folds, const std::vector<Recording>& recordings) {
  check_readable(recordings);
  const Audit table(clips, recordings);
  for (size_t f = 0; f < folds.size(); ++f)
    if (auto leak = table.audio_leak(folds[f], static_cast<int64_t>(f)); !leak.empty()) return leak;
  return "";
}

}  // namespace loralens
