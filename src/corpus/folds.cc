#include "corpus/folds.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string_view>

#include "base/error.h"
#include "base/random.h"
#include "corpus/balance.h"

namespace loralens {
namespace {

// Clips by the value of a column.
struct Groups {
  std::vector<std::string> names;  // sorted
  std::vector<int64_t> of_clip;    // place in names
  int64_t size() const { return static_cast<int64_t>(names.size()); }
};

Groups groups_of(std::vector<std::string> values) {
  Groups groups{values, {}};
  std::sort(groups.names.begin(), groups.names.end());
  groups.names.erase(std::unique(groups.names.begin(), groups.names.end()), groups.names.end());
  for (const auto& value : values)
    groups.of_clip.push_back(std::lower_bound(groups.names.begin(), groups.names.end(), value) - groups.names.begin());
  return groups;
}

Groups each_clip_alone(size_t clips) {
  Groups groups{std::vector<std::string>(clips), std::vector<int64_t>(clips)};
  std::iota(groups.of_clip.begin(), groups.of_clip.end(), int64_t{0});
  return groups;
}

// Groups by a column that must have a value for every clip.
Groups full_groups(const Clips& clips, const std::string& column, const std::string& scheme) {
  const auto values = column_values(clips, column);
  const auto empty = std::count(values.begin(), values.end(), "");
  if (empty > 0) {
    const auto first = static_cast<size_t>(std::find(values.begin(), values.end(), "") - values.begin());
    fail("folds {}: {} of {} clips have no {}, the first is {}: fill that column, or choose other folds", scheme, empty,
         values.size(), column, clips.clips[first].id);
  }
  auto groups = groups_of(values);
  if (groups.size() < 2)
    fail("folds {}: all clips have the {} '{}', and testing needs a second one: choose other folds (random:10 with "
         "leaks allowed mixes the clips of one speaker)",
         scheme, column, groups.names[0]);
  return groups;
}

struct Classes {
  int64_t count;
  std::vector<int64_t> of_clip;
};

Classes classes_in(const Clips& clips) {
  const auto names = classes_of(clips);
  return {static_cast<int64_t>(names.size()), class_numbers(clips, names)};
}

GroupCounts counts_of(const Groups& groups, const Classes& classes, const std::vector<int64_t>& clips) {
  GroupCounts counts(groups.size(), classes.count);
  for (const int64_t clip : clips)
    ++counts.at(groups.of_clip[static_cast<size_t>(clip)], classes.of_clip[static_cast<size_t>(clip)]);
  return counts;
}

std::vector<int64_t> all_numbers(const Clips& clips) {
  std::vector<int64_t> numbers(clips.clips.size());
  std::iota(numbers.begin(), numbers.end(), int64_t{0});
  return numbers;
}

// The fold that tests each clip.
struct Assignment {
  int64_t folds;
  std::vector<int64_t> of_clip;
};

// One fold per group, in order of their names.
Assignment leave_one_out(const Groups& groups) { return {groups.size(), groups.of_clip}; }

Assignment speaker_folds(const Clips& clips, int64_t folds, const FoldOptions& options) {
  const auto speakers = full_groups(clips, "speaker", options.scheme);
  if (folds > speakers.size())
    fail("folds {}: there are only {} speakers: choose speaker:{} or fewer folds", options.scheme, speakers.size(),
         speakers.size());
  Random random(options.seed);
  const auto fold_of = balanced_folds(counts_of(speakers, classes_in(clips), all_numbers(clips)), folds, random);
  // Folds are numbered by their first speaker, so that one fold a speaker is the same as leaving one out.
  std::vector<int64_t> number(static_cast<size_t>(folds), -1);
  int64_t next = 0;
  for (const int64_t fold : fold_of)
    if (number[static_cast<size_t>(fold)] < 0) number[static_cast<size_t>(fold)] = next++;
  Assignment assignment{folds, {}};
  for (const int64_t speaker : speakers.of_clip)
    assignment.of_clip.push_back(number[static_cast<size_t>(fold_of[static_cast<size_t>(speaker)])]);
  return assignment;
}

// Clips of each class dealt out in random order, going on from class to class: sizes differ by one at most.
Assignment random_folds(const Clips& clips, int64_t folds, const FoldOptions& options) {
  if (folds > static_cast<int64_t>(clips.clips.size()))
    fail("folds {}: there are only {} clips: choose fewer folds", options.scheme, clips.clips.size());
  auto order = all_numbers(clips);
  const auto classes = classes_in(clips).of_clip;
  Random random(options.seed);
  random.shuffle(order);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return classes[static_cast<size_t>(a)] < classes[static_cast<size_t>(b)];
  });
  Assignment assignment{folds, std::vector<int64_t>(order.size())};
  for (size_t i = 0; i < order.size(); ++i)
    assignment.of_clip[static_cast<size_t>(order[i])] = static_cast<int64_t>(i) % folds;
  return assignment;
}

int64_t number_of_folds(std::string_view text, const std::string& scheme) {
  int64_t folds = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), folds);
  if (error != std::errc() || stop != text.data() + text.size() || folds < 2)
    fail("folds {}: '{}' is no number of folds: give a whole number of at least 2", scheme, text);
  return folds;
}

// Of a scheme that check_scheme let pass and that is no file.
Assignment assignment_of(const Clips& clips, const FoldOptions& options) {
  const std::string& scheme = options.scheme;
  const auto colon = scheme.find(':');
  const auto kind = scheme.substr(0, colon);
  const auto value = colon == std::string::npos ? "" : scheme.substr(colon + 1);
  if (scheme == "speaker" || scheme == "session") return leave_one_out(full_groups(clips, scheme, scheme));
  if (scheme == "prefix") return leave_one_out(full_groups(clips, "prefix_speaker", scheme));
  if (kind == "column") return leave_one_out(full_groups(clips, value, scheme));
  const int64_t folds = number_of_folds(value, scheme);
  if (kind == "speaker") return speaker_folds(clips, folds, options);
  if (!options.allow_leaks)
    fail("folds {}: clips of one speaker come to both sides: choose speaker:{}, or allow leaks", scheme, folds);
  return random_folds(clips, folds, options);
}

std::vector<Fold> folds_of(const Assignment& assignment) {
  std::vector<Fold> folds(static_cast<size_t>(assignment.folds));
  for (size_t f = 0; f < folds.size(); ++f)
    for (size_t clip = 0; clip < assignment.of_clip.size(); ++clip)
      (assignment.of_clip[clip] == static_cast<int64_t>(f) ? folds[f].test : folds[f].train)
          .push_back(static_cast<int64_t>(clip));
  return folds;
}

// Moves whole groups from the training to the development part of each fold.
void hold_out(std::vector<Fold>& folds, const Groups& groups, const Classes& classes, const FoldOptions& options) {
  for (size_t f = 0; f < folds.size(); ++f) {
    const auto group_of = [&](int64_t clip) { return groups.of_clip[static_cast<size_t>(clip)]; };
    std::vector<bool> training(groups.names.size()), held(groups.names.size());
    for (const int64_t clip : folds[f].train) training[static_cast<size_t>(group_of(clip))] = true;
    std::vector<int64_t> present;
    for (int64_t group = 0; group < groups.size(); ++group)
      if (training[static_cast<size_t>(group)]) present.push_back(group);
    if (present.size() < 2)
      fail("fold {} of {} trains on one speaker only, and none would remain beside a development part: use a corpus of "
           "at least 3 speakers, or the protocol paper, which has no development part",
           f, options.scheme);
    Random random(hash_of(options.seed, uint64_t{f}));
    for (const int64_t group : held_out_groups(counts_of(groups, classes, folds[f].train), present, random))
      held[static_cast<size_t>(group)] = true;
    const auto split = std::stable_partition(folds[f].train.begin(), folds[f].train.end(),
                                             [&](int64_t clip) { return !held[static_cast<size_t>(group_of(clip))]; });
    folds[f].development.assign(split, folds[f].train.end());
    folds[f].train.erase(split, folds[f].train.end());
  }
}

}  // namespace

void check_scheme(const std::string& scheme) {
  if (scheme == "speaker" || scheme == "session" || scheme == "prefix") return;
  const auto colon = scheme.find(':');
  const auto kind = scheme.substr(0, colon);
  const auto value = colon == std::string::npos ? "" : scheme.substr(colon + 1);
  if ((kind == "column" || kind == "file") && !value.empty()) return;
  if (kind != "speaker" && kind != "random")
    fail("folds '{}' are not known: choose speaker:K, speaker, session, column:NAME, prefix, random:K or file:PATH",
         scheme);
  number_of_folds(value, scheme);
}

std::vector<Fold> make_folds(const Clips& clips, const FoldOptions& options, bool development) {
  check_scheme(options.scheme);
  if (clips.clips.empty()) fail("folds {}: there are no clips", options.scheme);
  const bool from_file = options.scheme.starts_with("file:");
  auto folds = from_file ? read_folds(options.scheme.substr(5), clips) : folds_of(assignment_of(clips, options));
  const bool has_own = std::any_of(folds.begin(), folds.end(), [](const Fold& f) { return !f.development.empty(); });
  if (!options.allow_leaks)
    if (const auto leak = speaker_leak(clips, folds); !leak.empty())
      fail("folds {}: {}: choose speaker:K, or allow leaks", options.scheme, leak);
  if (development && !has_own) {
    const auto speakers = column_values(clips, "speaker");
    const bool by_clip = options.scheme.starts_with("random:") ||
                         std::find(speakers.begin(), speakers.end(), "") != speakers.end();
    hold_out(folds, by_clip ? each_clip_alone(speakers.size()) : groups_of(speakers), classes_in(clips), options);
  }
  return folds;
}

std::string speaker_leak(const Clips& clips, const std::vector<Fold>& folds) {
  const auto speakers = groups_of(column_values(clips, "speaker"));
  if (!speakers.names.empty() && speakers.names[0].empty()) {
    const auto first = std::find(speakers.of_clip.begin(), speakers.of_clip.end(), 0) - speakers.of_clip.begin();
    return fmt::format("{} names no speaker, so nobody can tell whether it is in training and test",
                       clips.clips[static_cast<size_t>(first)].id);
  }
  constexpr const char* names[] = {"training", "development", "test"};
  for (size_t f = 0; f < folds.size(); ++f) {
    std::vector<int> side(speakers.names.size(), -1);
    const std::vector<int64_t>* parts[] = {&folds[f].train, &folds[f].development, &folds[f].test};
    for (int part = 0; part < 3; ++part)
      for (const int64_t clip : *parts[part]) {
        const auto speaker = static_cast<size_t>(speakers.of_clip[static_cast<size_t>(clip)]);
        if (side[speaker] >= 0 && side[speaker] != part)
          return fmt::format("fold {} has speaker {} in {} and {}", f, speakers.names[speaker], names[side[speaker]],
                             names[part]);
        side[speaker] = part;
      }
  }
  return "";
}

}  // namespace loralens
