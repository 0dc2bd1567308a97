// SPDX-License-Identifier: Apache-2.0
#include "training/start/start.h"

#include <algorithm>
#include <set>

#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"

namespace loralens {
namespace {

constexpr size_t most_names = 3;

// A speaker by corpus and name, both as folded_name() spells them. In a training on several corpora, the corpus stands
// in front of the name.
std::pair<std::string, std::string> person(const std::string& corpus, const std::string& speaker) {
  const std::string prefix = corpus + "/";
  return {folded_name(corpus), folded_name(speaker.starts_with(prefix) ? speaker.substr(prefix.size()) : speaker)};
}

// "a, b, c, ..."
std::string first_of(const std::vector<std::string>& names) {
  const auto count = std::min(names.size(), most_names);
  return fmt::format("{}{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(count), ", "),
                     names.size() > count ? ", ..." : "");
}

// "the first is in the test part of fold 1" for the first fold that holds out this clip.
std::string place_of(int64_t clip, const std::vector<Fold>& folds) {
  for (size_t f = 0; f < folds.size(); ++f)
    for (const auto& [part, name] : {std::pair{&folds[f].test, "test"}, {&folds[f].development, "development"}})
      if (std::ranges::count(*part, clip) > 0) return fmt::format("the first is in the {} part of fold {}", name, f);
  return "";
}

}  // namespace

std::string sha256_of_model(const Path& folder) {
  Sha256 digest;
  for (const char* name :
       {"config.json", "adapter_config.json", "adapter_model.safetensors", "head.safetensors", "model.safetensors"})
    if (std::filesystem::exists(folder / name)) digest.add(fmt::format("{} {}\n", name, sha256_of_file(folder / name)));
  return digest.hex();
}

std::vector<int64_t> held_out(const std::vector<Fold>& folds) {
  std::set<int64_t> clips;
  for (const Fold& fold : folds)
    for (const auto* part : {&fold.test, &fold.development}) clips.insert(part->begin(), part->end());
  return {clips.begin(), clips.end()};
}

std::string start_leak(const StartRecord& record, const Clips& clips, const std::vector<Fold>& folds,
                       const std::vector<Recording>& recordings) {
  const auto out = held_out(folds);
  std::vector<Recording> examined;
  for (const int64_t clip : out) examined.push_back(recordings.at(clip));
  std::vector<std::string> names;
  std::string place;
  for (const int64_t found : trained_among(record.clips, examined)) {
    names.push_back(clips.clips[out[found]].id);
    if (place.empty()) place = place_of(out[found], folds);
  }
  if (!names.empty())
    return fmt::format("{} of the {} clips in test and development parts trained it ({}; {})", names.size(), out.size(),
                       first_of(names), place);
  std::set<std::pair<std::string, std::string>> known, found;
  for (const TrainedClip& clip : record.clips)
    if (!clip.speaker.empty()) known.insert(person(clip.corpus, clip.speaker));
  int64_t count = 0;
  std::string corpus;  // of the first speaker
  for (const int64_t number : out) {
    const Clip& clip = clips.clips[number];
    const auto speaker = person(clip.corpus, clip.speaker);
    if (!known.contains(speaker)) continue;
    if (found.insert(speaker).second) names.push_back(clip.speaker);
    if (count++ == 0) {
      place = place_of(number, folds);
      corpus = clip.corpus;
    }
  }
  if (names.empty()) return "";
  return fmt::format(
      "other clips of the speakers of {} of the {} clips in test and development parts trained it "
      "(corpus {}, {} {}; {})",
      count, out.size(), corpus, names.size() > 1 ? "speakers" : "speaker", first_of(names), place);
}

std::vector<std::string> start_namesakes(const StartRecord& record, const Clips& clips,
                                         const std::vector<Fold>& folds) {
  std::set<std::string> known, found;
  for (const TrainedClip& clip : record.clips)
    if (!clip.speaker.empty()) known.insert(person(clip.corpus, clip.speaker).second);
  for (const int64_t number : held_out(folds)) {
    const Clip& clip = clips.clips[number];
    if (!clip.speaker.empty() && known.contains(person(clip.corpus, clip.speaker).second)) found.insert(clip.speaker);
  }
  return {found.begin(), found.end()};
}

}  // namespace loralens
