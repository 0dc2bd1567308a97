// SPDX-License-Identifier: Apache-2.0
#include "analysis/concepts/concepts.h"

#include <ATen/ops/stack.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace loralens {
namespace {

using Kind = Concept::Kind;

const std::string& value_of(const Clip& clip, Kind kind) {
  return kind == Kind::speaker ? clip.speaker : kind == Kind::gender ? clip.gender : clip.text;
}

// The values that count as classes, ascending.
std::vector<std::string> values_of(const Setting& setting, Kind kind) {
  std::map<std::string, std::set<std::string>> speakers;  // by value
  for (size_t i = 0; i < setting.clips->clips.size(); ++i) {
    const std::string& value = value_of(setting.clips->clips[i], kind);
    if (!value.empty()) speakers[value].insert(setting.group_of(static_cast<int64_t>(i)));
  }
  std::vector<std::string> values;
  for (const auto& [value, of_value] : speakers)
    if (kind != Kind::text || of_value.size() > 1) values.push_back(value);
  return values;
}

// Permutes the labels of each group of places.
void permute_within(const std::map<std::string, std::vector<size_t>>& groups, std::vector<int64_t>& labels,
                    Random& random) {
  for (const auto& [name, places] : groups) {
    std::vector<int64_t> of_group;
    for (const size_t place : places) of_group.push_back(labels[place]);
    random.shuffle(of_group);
    for (size_t i = 0; i < places.size(); ++i) labels[places[i]] = of_group[i];
  }
}

// Exchanges the labels of whole groups. A group whose places differ has the label of its first one.
void permute_groups(const std::map<std::string, std::vector<size_t>>& groups, std::vector<int64_t>& labels,
                    Random& random) {
  std::vector<int64_t> of_groups;
  for (const auto& [name, places] : groups) of_groups.push_back(labels[places.front()]);
  random.shuffle(of_groups);
  size_t number = 0;
  for (const auto& [name, places] : groups) {
    for (const size_t place : places) labels[place] = of_groups[number];
    ++number;
  }
}

}  // namespace

std::vector<int64_t> Concept::known(const std::vector<int64_t>& clips) const {
  std::vector<int64_t> found;
  for (const int64_t clip : clips)
    if (labels[clip] >= 0) found.push_back(clip);
  return found;
}

std::vector<int64_t> Concept::labels_of(const std::vector<int64_t>& clips) const {
  std::vector<int64_t> found;
  for (const int64_t clip : clips) found.push_back(labels[clip]);
  return found;
}

std::vector<Concept> concepts_of(const Setting& setting, std::vector<std::string>& notes) {
  std::vector<Concept> concepts = {
      {.kind = Kind::emotion, .name = "emotion", .classes = setting.classes, .labels = setting.labels}};
  for (const auto& [kind, name] :
       {std::pair{Kind::speaker, "speaker"}, std::pair{Kind::gender, "gender"}, std::pair{Kind::text, "text"}}) {
    Concept found{.kind = kind, .name = name, .classes = values_of(setting, kind), .labels = {}};
    const bool many = kind == Kind::text && std::ssize(found.classes) > most_texts;
    if (found.classes.size() < 2 || many) {
      const std::string condition = kind == Kind::text ? " that two speakers say" : "";
      notes.push_back(many ? fmt::format("text is left out: the table has {} texts, more than {}.",
                                         found.classes.size(), most_texts)
                           : fmt::format("{} is left out: the table has fewer than two values{}.", name, condition));
      continue;
    }
    for (const Clip& clip : setting.clips->clips) {
      const auto place = std::ranges::lower_bound(found.classes, value_of(clip, kind));
      const bool known = place != found.classes.end() && *place == value_of(clip, kind);
      found.labels.push_back(known ? place - found.classes.begin() : -1);
    }
    concepts.push_back(std::move(found));
  }
  return concepts;
}

Setting setting_for(const Setting& setting, const Concept& wanted) {
  Setting changed = setting;
  changed.classes = wanted.classes;
  changed.labels = wanted.labels;
  return changed;
}

std::string permutation_of(Kind kind) {
  return kind == Kind::speaker  ? "among the clips of each text"
         : kind == Kind::gender ? "among the speakers"
                                : "among the clips of each speaker";
}

std::vector<int64_t> permuted_labels(const Setting& setting, const Concept& wanted, const std::vector<int64_t>& clips,
                                     Random& random) {
  std::map<std::string, std::vector<size_t>> groups;
  for (size_t i = 0; i < clips.size(); ++i) {
    const Clip& clip = setting.clips->clips[clips[i]];
    groups[wanted.kind == Kind::speaker  ? clip.text
           : wanted.kind == Kind::gender ? setting.group_of(clips[i])
                                         : clip.speaker]
        .push_back(i);
  }
  std::vector<int64_t> labels = wanted.labels_of(clips);
  if (wanted.kind == Kind::gender)
    permute_groups(groups, labels, random);
  else
    permute_within(groups, labels, random);
  return labels;
}

at::Tensor clip_means(const BatchView& view, const at::Tensor& x) {
  std::vector<at::Tensor> means;
  for (const at::Tensor& clip : view.speech_of(x)) means.push_back(clip.mean(0));
  return at::stack(means).to(c10::ScalarType::Double).cpu();
}

}  // namespace loralens
