// SPDX-License-Identifier: Apache-2.0
#include "corpus/folds/published_folds.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"

namespace loralens {
namespace {

using Values = std::vector<std::string>;

// "1001", "1002", ... "1019"
Values range(int first, int last) {
  Values values;
  for (int i = first; i <= last; ++i) values.push_back(std::to_string(i));
  return values;
}

// Leave-one-out: each value is the test part of one fold.
std::vector<Values> one_each(const Values& values) {
  std::vector<Values> folds;
  for (const auto& value : values) folds.push_back({value});
  return folds;
}

// For each clip, its value in the column of the definition.
std::vector<std::string> values_of(const PublishedFolds& published, const Clips& clips) {
  if (published.column == "file") {
    std::vector<std::string> names;
    for (const Clip& clip : clips.clips) names.push_back(clip.path.stem().string());
    return names;
  }
  if (!has_column(clips, published.column))
    fail("folds {} need the column {}: read the corpus with `loralens corpus {}`", published.name, published.column,
         published.corpus);
  return column_values(clips, published.column);
}

constexpr int develops = -1, trains = -2;  // instead of the number of the fold that tests a value

// Makes an entry for folds of which only the test parts are published.
PublishedFolds tests_of(std::string name, std::string corpus, std::string column, std::vector<Values> test,
                        std::string source) {
  return {std::move(name), std::move(corpus), std::move(column), std::move(test), {}, {}, std::move(source)};
}

// Actors 1001 to 1091 in order, cut into five.
std::vector<Values> crema_d_test_speakers() {
  return {range(1001, 1019), range(1020, 1037), range(1038, 1055), range(1056, 1073), range(1074, 1091)};
}

std::vector<Values> esd_test_speakers() {
  return {{"0005", "0011", "0016", "0018"},
          {"0012", "0014", "0015", "0019"},
          {"0003", "0004", "0006", "0009"},
          {"0007", "0008", "0013", "0020"},
          {"0001", "0002", "0010", "0017"}};
}

std::vector<Values> ravdess_test_speakers() {
  return {{"01", "11", "20", "21"}, {"04", "10", "12", "14"}, {"08", "09", "19", "23"},
          {"03", "05", "07", "24"}, {"02", "15", "16", "18"}, {"06", "13", "17", "22"}};
}

}  // namespace

const std::vector<PublishedFolds>& published_folds() {
  static const std::vector<PublishedFolds> all = {
      tests_of("crema-d-5", "crema-d", "speaker", crema_d_test_speakers(),
               "Feng and Narayanan, PEFT-SER, ACII 2023: usc-sail/peft-ser, train_split_gen/crema-d.py"),
      tests_of("emo-db-5", "emo-db", "file", emo_db_test_clips(),
               "Ma et al., EmoBox, Interspeech 2024: emo-box/EmoBox, data/emodb"),
      {"esd",
       "esd",
       "partition",
       {{"test"}},
       {"evaluation"},
       {"train"},
       "Zhou et al., Speech Communication 137, 2022: the corpus's own folders"},
      tests_of("esd-5", "esd", "speaker", esd_test_speakers(),
               "Ma et al., EmoBox, Interspeech 2024: emo-box/EmoBox, data/esd"),
      tests_of("iemocap-10-prefix", "iemocap", "prefix_speaker",
               one_each({"Ses01F", "Ses01M", "Ses02F", "Ses02M", "Ses03F", "Ses03M", "Ses04F", "Ses04M", "Ses05F",
                         "Ses05M"}),
               "the code published with arXiv 2509.08454"),
      tests_of("iemocap-10-speakers", "iemocap", "speaker",
               one_each({"1F", "1M", "2F", "2M", "3F", "3M", "4F", "4M", "5F", "5M"}),
               "what arXiv 2509.08454 describes: one of the ten speakers left out"),
      tests_of("iemocap-5-sessions", "iemocap", "session", one_each({"1", "2", "3", "4", "5"}),
               "Ma et al., EmoBox, Interspeech 2024: emo-box/EmoBox, data/iemocap; also PEFT-SER"),
      {"meld",
       "meld",
       "partition",
       {{"test"}},
       {"dev"},
       {"train"},
       "Poria et al., MELD, ACL 2019: its own three parts"},
      tests_of("msp-improv-6-sessions", "msp-improv", "session", one_each({"1", "2", "3", "4", "5", "6"}),
               "Feng and Narayanan, PEFT-SER, ACII 2023: usc-sail/peft-ser, train_split_gen/msp-improv.py"),
      tests_of("ravdess-6", "ravdess", "speaker", ravdess_test_speakers(),
               "Ma et al., EmoBox, Interspeech 2024: emo-box/EmoBox, data/ravdess"),
  };
  return all;
}

const PublishedFolds* published_folds_named(std::string_view name) {
  const auto& all = published_folds();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& folds) { return folds.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::vector<Fold> folds_as_published(const PublishedFolds& published, const Clips& clips) {
  for (const Clip& clip : clips.clips)
    if (clip.corpus != published.corpus)
      fail(
          "folds {} are defined for {} alone, and the corpus of {} is '{}': choose other folds, or correct the column "
          "corpus",
          published.name, published.corpus, clip.id, clip.corpus);
  const auto values = values_of(published, clips);
  std::unordered_map<std::string_view, int> use;
  for (size_t f = 0; f < published.test.size(); ++f)
    for (const auto& value : published.test[f]) use[value] = static_cast<int>(f);
  for (const auto& value : published.development) use[value] = develops;
  for (const auto& value : published.training) use[value] = trains;

  std::vector<Fold> folds(published.test.size());
  for (size_t clip = 0; clip < values.size(); ++clip) {
    const auto found = use.find(values[clip]);
    if (found == use.end())
      fail("folds {}: {} has the {} '{}', which their definition ({}) does not name: choose other folds",
           published.name, clips.clips[clip].id, published.column, values[clip], published.source);
    for (size_t f = 0; f < folds.size(); ++f)
      (found->second == static_cast<int>(f) ? folds[f].test
       : found->second == develops          ? folds[f].development
                                            : folds[f].train)
          .push_back(static_cast<int64_t>(clip));
  }
  for (size_t f = 0; f < folds.size(); ++f)
    if (folds[f].test.empty() || folds[f].train.empty())
      fail("folds {}: fold {} has no {} clip in this table ({} {}): choose other folds, or complete the table",
           published.name, f, folds[f].test.empty() ? "test" : "training", published.column,
           fmt::join(published.test[f], " "));
  return folds;
}

}  // namespace loralens
