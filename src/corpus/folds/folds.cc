// SPDX-License-Identifier: Apache-2.0
#include "corpus/folds/folds.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string_view>

#include "base/error.h"
#include "base/random.h"
#include "corpus/folds/published_folds.h"
#include "corpus/groups.h"

namespace loralens {
namespace {

// A parsed scheme: "speaker:10" has the kind speaker and 10 folds.
struct Scheme {
  std::string kind, value;    // kind: for published folds, their name
  int64_t folds = 0, texts = 0;  // K and L; 0: leave one out

  bool is_published() const { return published_folds_named(kind) != nullptr; }
};

int64_t number_of_folds(std::string_view text, const std::string& scheme) {
  int64_t folds = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), folds);
  if (error != std::errc() || stop != text.data() + text.size() || folds < 2)
    fail("folds {}: '{}' is no number of folds: give a whole number of at least 2", scheme, text);
  return folds;
}

Scheme parse_scheme(const std::string& text) {
  const auto colon = text.find(':');
  Scheme scheme{text.substr(0, colon), colon == std::string::npos ? "" : text.substr(colon + 1)};
  const auto is_one_of = [&](auto... kinds) { return ((scheme.kind == kinds) || ...); };
  if (colon == std::string::npos && (scheme.is_published() || is_one_of("speaker", "session", "corpus", "text")))
    return scheme;
  if (is_one_of("column", "file") && !scheme.value.empty()) return scheme;
  if (colon == std::string::npos || !is_one_of("speaker", "text", "random", "speaker-text"))
    fail("folds '{}' are not known: choose {}", text, scheme_summary());
  if (scheme.kind != "speaker-text") {
    scheme.folds = number_of_folds(scheme.value, text);
    return scheme;
  }
  const auto times = scheme.value.find('x');
  if (times == std::string::npos)
    fail("folds {}: give the parts of the speakers and of the sentences, such as speaker-text:5x2", text);
  scheme.folds = number_of_folds(std::string_view(scheme.value).substr(0, times), text);
  scheme.texts = number_of_folds(std::string_view(scheme.value).substr(times + 1), text);
  return scheme;
}

// For each clip, the fold in whose test part it is.
struct Assignment {
  int64_t folds;
  std::vector<int64_t> of_clip;
};

// One fold per group, in the order of the groups' names.
Assignment leave_one_out(const Groups& groups) { return {groups.size(), groups.of_clip}; }

// `folds` folds of whole groups, balanced by class (balanced_folds).
Assignment shared_out(const Clips& clips, const std::string& column, int64_t folds, const FoldOptions& options) {
  const auto groups = full_groups(clips, column, "folds " + options.scheme);
  if (folds > groups.size())
    fail("folds {}: there are only {} {}s: choose {} or fewer folds", options.scheme, groups.size(), column,
         options.scheme.starts_with("speaker-text") ? std::to_string(groups.size())
                                                    : fmt::format("{}:{}", column, groups.size()));
  Random random(options.seed);
  const auto fold_of = balanced_folds(counts_of(groups, classes_in(clips), all_clips(clips)), folds, random);
  // Folds are numbered in the order of their first group, so that with one fold per speaker they equal leave-one-out.
  std::vector<int64_t> number(folds, -1);
  int64_t next = 0;
  for (const int64_t fold : fold_of)
    if (number[fold] < 0) number[fold] = next++;
  Assignment assignment{folds, {}};
  for (const int64_t group : groups.of_clip) assignment.of_clip.push_back(number[fold_of[group]]);
  return assignment;
}

// Assigns the clips to folds in turn, in random order and class after class, so that fold sizes differ by at most one.
Assignment random_folds(const Clips& clips, int64_t folds, const FoldOptions& options) {
  if (folds > std::ssize(clips.clips))
    fail("folds {}: there are only {} clips: choose fewer folds", options.scheme, clips.clips.size());
  auto order = all_clips(clips);
  const auto classes = classes_in(clips).of_clip;
  Random random(options.seed);
  random.shuffle(order);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return classes[a] < classes[b]; });
  Assignment assignment{folds, std::vector<int64_t>(order.size())};
  for (size_t i = 0; i < order.size(); ++i) assignment.of_clip[order[i]] = static_cast<int64_t>(i) % folds;
  return assignment;
}

std::vector<Fold> folds_of(const Assignment& assignment) {
  std::vector<Fold> folds(assignment.folds);
  for (size_t f = 0; f < folds.size(); ++f)
    for (size_t clip = 0; clip < assignment.of_clip.size(); ++clip)
      (assignment.of_clip[clip] == static_cast<int64_t>(f) ? folds[f].test : folds[f].train)
          .push_back(static_cast<int64_t>(clip));
  return folds;
}

// One fold for each pair of a part of the speakers and a part of the sentences. Clips that share only the speaker or
// only the sentence with the test part are unused.
std::vector<Fold> crossed(const Assignment& speakers, const Assignment& texts, const std::string& scheme) {
  std::vector<Fold> folds(speakers.folds * texts.folds);
  for (size_t f = 0; f < folds.size(); ++f) {
    const int64_t speaker = static_cast<int64_t>(f) / texts.folds, text = static_cast<int64_t>(f) % texts.folds;
    for (size_t clip = 0; clip < speakers.of_clip.size(); ++clip) {
      const bool same_speaker = speakers.of_clip[clip] == speaker, same_text = texts.of_clip[clip] == text;
      if (same_speaker == same_text)
        (same_speaker ? folds[f].test : folds[f].train).push_back(static_cast<int64_t>(clip));
    }
    if (folds[f].test.empty() || folds[f].train.empty())
      fail("folds {}: fold {} has no {} clip, as not every speaker says every sentence: choose fewer folds", scheme, f,
           folds[f].test.empty() ? "test" : "training");
  }
  return folds;
}

std::vector<Fold> folds_by(const Scheme& scheme, const Clips& clips, const FoldOptions& options) {
  const auto what = "folds " + options.scheme;
  if (scheme.kind == "file") return read_folds(scheme.value, clips, options.left_out);
  if (const auto* published = published_folds_named(scheme.kind)) return folds_as_published(*published, clips);
  if (scheme.kind == "speaker-text")
    return crossed(shared_out(clips, "speaker", scheme.folds, options),
                   shared_out(clips, "text", scheme.texts, options), options.scheme);
  if (scheme.kind == "random") {
    if (!options.allow_leaks)
      fail("{}: clips of one speaker come to both sides: choose speaker:{}, or allow leaks", what, scheme.folds);
    return folds_of(random_folds(clips, scheme.folds, options));
  }
  if (scheme.folds > 0) return folds_of(shared_out(clips, scheme.kind, scheme.folds, options));
  return folds_of(leave_one_out(full_groups(clips, scheme.kind == "column" ? scheme.value : scheme.kind, what)));
}

// The groups of these clips, ascending.
std::vector<int64_t> groups_among(const Groups& groups, const std::vector<int64_t>& clips) {
  std::vector<bool> present(groups.names.size());
  for (const int64_t clip : clips) present[groups.of_clip[clip]] = true;
  std::vector<int64_t> numbers;
  for (int64_t group = 0; group < groups.size(); ++group)
    if (present[group]) numbers.push_back(group);
  return numbers;
}

// An eighth of the groups, rounded up; but one of nine groups, because two would be more than a fifth.
int64_t eighth(size_t groups) { return groups < 10 ? 1 : static_cast<int64_t>(groups + 7) / 8; }
int64_t quarter(size_t groups) { return groups < 8 ? 1 : static_cast<int64_t>(groups) / 4; }

// Chooses the groups of a fold's development part. noun: the word for a group in errors, such as "speaker".
class HoldOut {
 public:
  HoldOut(const Clips& clips, const FoldOptions& options) : classes_(classes_in(clips)), options_(options) {}

  // For each clip of the table, whether it is in one of the chosen groups.
  std::vector<bool> of(const Groups& groups, const std::vector<int64_t>& clips, int64_t (*wanted)(size_t), size_t fold,
                       const char* noun, Random& random) const {
    const auto present = groups_among(groups, clips);
    if (present.size() < 2)
      fail(
          "fold {} of {} trains on one {} only, and none would remain beside a development part: use a corpus of at "
          "least 3 {}s, or no development part (train --select last)",
          fold, options_.scheme, noun, noun);
    std::vector<bool> held(groups.names.size()), result(groups.of_clip.size());
    const auto counts = counts_of(groups, classes_, clips);
    for (const int64_t group : held_out_groups(counts, present, wanted(present.size()), random)) held[group] = true;
    for (size_t clip = 0; clip < result.size(); ++clip) result[clip] = held[groups.of_clip[clip]];
    return result;
  }

  Random random(size_t fold) const { return Random(hash_of(options_.seed, uint64_t{fold})); }
  const std::string& scheme() const { return options_.scheme; }

 private:
  Classes classes_;
  const FoldOptions& options_;
};

std::vector<int64_t> taken(const std::vector<int64_t>& clips, auto&& is_wanted) {
  std::vector<int64_t> wanted;
  std::ranges::copy_if(clips, std::back_inserter(wanted), is_wanted);
  return wanted;
}

// Moves whole groups from the training to the development part of each fold.
void hold_out(std::vector<Fold>& folds, const Groups& groups, const char* noun, const HoldOut& choice) {
  for (size_t f = 0; f < folds.size(); ++f) {
    Random random = choice.random(f);
    const auto held = choice.of(groups, folds[f].train, eighth, f, noun, random);
    folds[f].development = taken(folds[f].train, [&](int64_t clip) { return held[clip]; });
    folds[f].train = taken(folds[f].train, [&](int64_t clip) { return !held[clip]; });
  }
}

// Development parts that share neither speakers nor sentences with the remaining training clips.
void hold_out_both(std::vector<Fold>& folds, const Groups& speakers, const Groups& texts, const HoldOut& choice) {
  for (size_t f = 0; f < folds.size(); ++f) {
    auto& train = folds[f].train;
    Random random = choice.random(f);
    const auto speaker = choice.of(speakers, train, quarter, f, "speaker", random);
    const auto theirs = taken(train, [&](int64_t clip) { return speaker[clip]; });
    const auto text = choice.of(texts, theirs, quarter, f, "sentence", random);
    folds[f].development = taken(train, [&](int64_t clip) { return speaker[clip] && text[clip]; });
    train = taken(train, [&](int64_t clip) { return !speaker[clip] && !text[clip]; });
    if (train.empty())
      fail(
          "fold {} of {} has no training clip left beside its development part: choose fewer folds, or no development "
          "part (train --select last)",
          f, choice.scheme());
  }
}

Groups each_clip_alone(size_t clips) {
  Groups groups{std::vector<std::string>(clips), std::vector<int64_t>(clips)};
  std::iota(groups.of_clip.begin(), groups.of_clip.end(), int64_t{0});
  return groups;
}

void add_development(std::vector<Fold>& folds, const Scheme& scheme, const Clips& clips, const FoldOptions& options) {
  const HoldOut choice(clips, options);
  const auto speakers = groups_of(group_values(clips, "speaker"));
  if (scheme.kind == "speaker-text")
    return hold_out_both(folds, speakers, groups_of(group_values(clips, "text")), choice);
  if (scheme.kind == "text") return hold_out(folds, groups_of(group_values(clips, "text")), "sentence", choice);
  if (scheme.kind == "random" || speakers.names[0].empty())
    return hold_out(folds, each_clip_alone(clips.clips.size()), "clip", choice);
  hold_out(folds, speakers, "speaker", choice);
}

}  // namespace

std::string scheme_summary() {
  std::string names;
  for (const auto& published : published_folds()) names += ", " + published.name;
  return "speaker:K, speaker, session, corpus, text:K, text, speaker-text:KxL, column:NAME, random:K, file:PATH" +
         names;
}

void check_scheme(const std::string& scheme) { parse_scheme(scheme); }

std::vector<Fold> make_folds(const Clips& clips, const FoldOptions& options, bool development) {
  const Scheme scheme = parse_scheme(options.scheme);
  if (clips.clips.empty()) fail("folds {}: there are no clips", options.scheme);
  auto folds = folds_by(scheme, clips, options);
  const bool has_own = std::any_of(folds.begin(), folds.end(), [](const Fold& f) { return !f.development.empty(); });
  if (!options.allow_leaks)
    if (const auto leak = speaker_leak(clips, folds); !leak.empty())
      fail("folds {}: {}: choose speaker:K, or allow leaks", options.scheme, leak);
  if (development && !has_own) add_development(folds, scheme, clips, options);
  return folds;
}

std::string speaker_leak(const Clips& clips, const std::vector<Fold>& folds) {
  const auto speakers = groups_of(group_values(clips, "speaker"));
  if (!speakers.names.empty() && speakers.names[0].empty()) {
    const auto first = std::find(speakers.of_clip.begin(), speakers.of_clip.end(), 0) - speakers.of_clip.begin();
    return fmt::format("{} names no speaker, so its speaker may be both in training and in test",
                       clips.clips[first].id);
  }
  constexpr const char* names[] = {"training", "development", "test"};
  for (size_t f = 0; f < folds.size(); ++f) {
    std::vector<int> side(speakers.names.size(), -1);
    const std::vector<int64_t>* parts[] = {&folds[f].train, &folds[f].development, &folds[f].test};
    for (int part = 0; part < 3; ++part)
      for (const int64_t clip : *parts[part]) {
        const int64_t speaker = speakers.of_clip[clip];
        if (side[speaker] >= 0 && side[speaker] != part)
          return fmt::format("fold {} has speaker {} in {} and {}", f, speakers.names[speaker], names[side[speaker]],
                             names[part]);
        side[speaker] = part;
      }
  }
  return "";
}

}  // namespace loralens
