// SPDX-License-Identifier: Apache-2.0
#include "analysis/interchange/pairs.h"

#include <numeric>

#include "base/random.h"

namespace loralens {

PairGroups::PairGroups(const Setting& setting) : setting_(setting) {
  std::map<std::pair<std::string, std::string>, std::set<int64_t>> emotions;  // by speaker and text
  for (size_t i = 0; i < setting.clips->clips.size(); ++i) {
    const Clip& clip = setting.clips->clips[i];
    if (!clip.speaker.empty() && !clip.text.empty()) emotions[{clip.speaker, clip.text}].insert(setting.labels[i]);
  }
  for (const auto& [group, found] : emotions) by_text_ |= found.size() > 1;
}

std::string PairGroups::group_of(int64_t clip) const {
  const Clip& of = setting_.clips->clips[clip];
  if (of.speaker.empty() || (by_text_ && of.text.empty())) return "";
  return by_text_ ? of.speaker + '\n' + of.text : of.speaker;
}

std::set<int64_t> PairGroups::choose(const std::vector<int64_t>& clips, int64_t most, uint64_t seed) const {
  std::map<std::string, std::vector<int64_t>> by_group;
  for (const int64_t clip : clips)
    if (const std::string group = group_of(clip); !group.empty()) by_group[group].push_back(clip);
  std::vector<std::vector<int64_t>> groups;
  for (auto& [name, members] : by_group) {
    std::set<int64_t> emotions;
    for (const int64_t clip : members) emotions.insert(setting_.labels[clip]);
    if (emotions.size() > 1) groups.push_back(std::move(members));
  }
  Random random(seed);
  random.shuffle(groups);
  std::set<int64_t> chosen;
  for (const auto& members : groups)
    if (std::ssize(chosen) + std::ssize(members) <= most) chosen.insert(members.begin(), members.end());
  return chosen;
}

std::map<int64_t, int64_t> PairGroups::sources(const std::set<int64_t>& clips) const {
  std::map<std::string, std::vector<int64_t>> groups;
  for (const int64_t clip : clips) groups[group_of(clip)].push_back(clip);
  std::map<int64_t, int64_t> sources;
  for (const auto& [name, members] : groups)
    for (int64_t i = 0; i < std::ssize(members); ++i) {
      std::vector<int64_t> possible;
      for (const int64_t clip : members)
        if (setting_.labels[clip] != setting_.labels[members[i]]) possible.push_back(clip);
      if (!possible.empty()) sources[members[i]] = possible[i % std::ssize(possible)];
    }
  return sources;
}

}  // namespace loralens
