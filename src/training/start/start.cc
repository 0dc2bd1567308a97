// SPDX-License-Identifier: Apache-2.0
#include "training/start/start.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"

namespace loralens {
namespace {

constexpr size_t most_names = 3;

// A speaker's corpus and name, normalised by folded_name(). In a training on several corpora, names begin with
// "<corpus>/", which is removed.
std::pair<std::string, std::string> person(const std::string& corpus, const std::string& speaker) {
  const std::string prefix = corpus + "/";
  return {folded_name(corpus), folded_name(speaker.starts_with(prefix) ? speaker.substr(prefix.size()) : speaker)};
}

// Those of `numbers` whose clips have a speaker who trained the adapter: in a corpus of the same name, or in any.
std::vector<int64_t> of_known_speakers(const StartRecord& record, const Clips& clips,
                                       const std::vector<int64_t>& numbers, bool same_corpus) {
  const auto speaker = [&](const auto& clip) {
    auto found = person(clip.corpus, clip.speaker);
    if (!same_corpus) found.first.clear();
    return found;
  };
  std::set<std::pair<std::string, std::string>> known;
  for (const TrainedClip& clip : record.clips)
    if (!clip.speaker.empty()) known.insert(speaker(clip));
  std::vector<int64_t> found;
  for (const int64_t number : numbers)
    if (known.contains(speaker(clips.clips[number]))) found.push_back(number);
  return found;
}

// "the first is in the test part of fold 1" for the first fold that holds out this clip.
std::string place_of(int64_t clip, const std::vector<Fold>& folds) {
  for (size_t f = 0; f < folds.size(); ++f)
    for (const auto& [part, name] : {std::pair{&folds[f].test, "test"}, {&folds[f].development, "development"}})
      if (std::ranges::count(*part, clip) > 0) return fmt::format("the first is in the {} part of fold {}", name, f);
  return "";
}

// The speakers of these clips, ascending and each once.
std::vector<std::string> speakers_of(const Clips& clips, const std::vector<int64_t>& numbers) {
  std::set<std::string> names;
  for (const int64_t number : numbers) names.insert(clips.clips[number].speaker);
  return {names.begin(), names.end()};
}

}  // namespace

std::string sha256_of_model(const Path& folder) {
  Sha256 digest;
  for (const char* name : {"config.json", "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin",
                           "head.safetensors", "model.safetensors"})
    if (std::filesystem::exists(folder / name)) digest.add(fmt::format("{} {}\n", name, sha256_of_file(folder / name)));
  return digest.hex();
}

std::vector<int64_t> held_out(const std::vector<Fold>& folds) {
  std::set<int64_t> clips;
  for (const Fold& fold : folds)
    for (const auto* part : {&fold.test, &fold.development}) clips.insert(part->begin(), part->end());
  return {clips.begin(), clips.end()};
}

std::string first_of(const std::vector<std::string>& names) {
  const auto count = std::min(names.size(), most_names);
  return fmt::format("{}{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(count), ", "),
                     names.size() > count ? ", ..." : "");
}

std::string start_leak(const StartRecord& record, const Clips& clips, const std::vector<Fold>& folds,
                       const std::vector<int64_t>& trained) {
  const auto out = held_out(folds);
  std::vector<int64_t> found;
  std::ranges::set_intersection(out, trained, std::back_inserter(found));
  if (!found.empty()) {
    std::vector<std::string> names;
    for (const int64_t clip : found) names.push_back(clips.clips[clip].id);
    return fmt::format("the adapter was trained on {} of the {} clips in test and development parts ({}; {})",
                       found.size(), out.size(), first_of(names), place_of(found[0], folds));
  }
  found = of_known_speakers(record, clips, out, /*same_corpus=*/true);
  if (found.empty()) return "";
  const auto names = speakers_of(clips, found);
  return fmt::format(
      "the adapter was trained on other clips of the speakers of {} of the {} clips in test and development parts "
      "(corpus {}, {} {}; {})",
      found.size(), out.size(), clips.clips[found[0]].corpus, names.size() > 1 ? "speakers" : "speaker",
      first_of(names), place_of(found[0], folds));
}

std::vector<std::string> known_speakers(const StartRecord& record, const Clips& clips,
                                        const std::vector<int64_t>& numbers, bool same_corpus) {
  return speakers_of(clips, of_known_speakers(record, clips, numbers, same_corpus));
}

}  // namespace loralens
