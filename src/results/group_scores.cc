// SPDX-License-Identifier: Apache-2.0
#include "results/group_scores.h"

#include <map>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "results/scored.h"

namespace loralens {
namespace {

using nlohmann::json;

constexpr size_t most_values = 50;  // a column with more values, such as a different text for every clip, is left out

json scores_of(const std::string& value, std::span<const Prediction> predictions, int64_t classes) {
  const auto trainings = speakers_of_trainings(predictions, classes);
  std::set<std::string_view> clips;
  for (const auto& p : predictions) clips.insert(p.id);
  json group = {{"value", value}, {"clips", clips.size()}, {"speakers", trainings.front().size()}};
  for (const auto& [name, score] : {std::pair{"uar", Score::uar}, std::pair{"war", Score::war}}) {
    group[name] = score_interval(trainings, score);
    group[name]["value"] = pooled_score(trainings, score);
  }
  return group;
}

}  // namespace

json group_scores(std::span<const Prediction> predictions, const std::vector<std::string>& classes,
                  const Clips& clips) {
  std::unordered_map<std::string_view, size_t> places;
  for (size_t i = 0; i < clips.clips.size(); ++i) places.emplace(clips.clips[i].id, i);
  json result = json::object();
  for (const char* column : {"corpus", "gender", "intensity", "text"}) {
    const auto values = column_values(clips, column);
    std::map<std::string, std::vector<Prediction>> groups;
    for (const Prediction& p : predictions) {
      const auto place = places.find(p.id);
      if (place == places.end()) fail("the prediction of '{}' is of no clip of the corpus", p.id);
      if (const std::string& value = values[place->second]; !value.empty()) groups[value].push_back(p);
    }
    if (groups.size() < 2 || groups.size() > most_values) continue;
    for (const auto& [value, members] : groups)
      result[column].push_back(scores_of(value, members, std::ssize(classes)));
  }
  return result;
}

}  // namespace loralens
