// SPDX-License-Identifier: Apache-2.0
#include "analysis/parts.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"

namespace loralens {
namespace {

// Clips by class, each class shuffled with the key.
std::map<int64_t, std::vector<int64_t>> by_class(std::vector<int64_t> clips, const std::vector<int64_t>& labels,
                                                 uint64_t key) {
  Random(key).shuffle(clips);
  std::map<int64_t, std::vector<int64_t>> classes;
  for (const int64_t clip : clips) classes[labels[clip]].push_back(clip);
  return classes;
}

// At most `count` of the clips, drawn round-robin over the classes.
std::vector<int64_t> drawn(const std::vector<int64_t>& clips, const std::vector<int64_t>& labels, int64_t count,
                           uint64_t key) {
  const auto classes = by_class(clips, labels, key);
  std::vector<int64_t> chosen;
  for (size_t turn = 0; std::ssize(chosen) < std::min<int64_t>(count, std::ssize(clips)); ++turn)
    for (const auto& [label, of_class] : classes)
      if (turn < of_class.size() && std::ssize(chosen) < count) chosen.push_back(of_class[turn]);
  return chosen;
}

// The lines of a list of clips that are not empty, with their numbers from 1. Error if there is none.
std::vector<std::pair<std::string, int64_t>> numbered_lines(const Path& list) {
  std::vector<std::pair<std::string, int64_t>> lines;
  int64_t number = 0;
  for (std::string& line : lines_of(read_text(list))) {
    ++number;
    if (!line.empty()) lines.emplace_back(std::move(line), number);
  }
  if (lines.empty()) fail("{}: the list names no clip", list.string());
  return lines;
}

}  // namespace

Parts choose_parts(const Fold& fold, const std::vector<int64_t>& labels, const PartOptions& options) {
  Parts parts;
  parts.test = fold.test;
  if (options.training_clips == TrainingClips::sample) {
    if (!options.listed.empty()) parts.test = options.listed;
    parts.sample = options.listed_sample;
    if (!parts.sample.empty()) return parts;
    std::vector<int64_t> training = fold.train;
    training.insert(training.end(), fold.development.begin(), fold.development.end());
    if (training.empty()) training = fold.test;
    for (const auto& [label, clips] : by_class(training, labels, hash_of(options.seed, hash_of("sample"))))
      for (size_t i = 0; i < clips.size() && std::cmp_less(i, options.sample_per_class); ++i)
        parts.sample.push_back(clips[i]);
    return parts;
  }
  if (!options.listed.empty()) {
    const std::set<int64_t> test(fold.test.begin(), fold.test.end());
    parts.test.clear();
    for (const int64_t clip : options.listed)
      if (test.contains(clip)) parts.test.push_back(clip);
  }
  parts.fit = drawn(fold.train, labels, options.fit_clips, hash_of(options.seed, hash_of("fit")));
  return parts;
}

std::vector<int64_t> read_clip_list(const Path& list, const Clips& clips) {
  std::map<std::string, int64_t> numbers;
  for (size_t i = 0; i < clips.clips.size(); ++i) {
    const Clip& clip = clips.clips[i];
    numbers[clip.id] = numbers[clip.path.string() + segment_suffix(clip)] = static_cast<int64_t>(i);
  }
  std::vector<int64_t> chosen;
  std::set<int64_t> seen;
  for (const auto& [line, number] : numbered_lines(list)) {
    const auto found = numbers.find(line);
    if (found == numbers.end())
      fail("{}, line {}: '{}' is no clip of the corpus table: give its path as in the table", list.string(), number,
           line);
    if (!seen.insert(found->second).second) fail("{}, line {}: '{}' stands there twice", list.string(), number, line);
    chosen.push_back(found->second);
  }
  return chosen;
}

std::vector<Clip> read_reference_clips(const Path& list) {
  std::vector<Clip> clips;
  std::set<std::string> seen;
  for (const auto& [line, number] : numbered_lines(list)) {
    Clip clip = clip_of_id((list.parent_path() / line).string());
    if (!std::filesystem::is_regular_file(clip.path))
      fail("{}, line {}: there is no file {}: give paths relative to the list's folder", list.string(), number,
           clip.path.string());
    if (!seen.insert(clip.id).second) fail("{}, line {}: '{}' stands there twice", list.string(), number, line);
    clips.push_back(std::move(clip));
  }
  return clips;
}

}  // namespace loralens
