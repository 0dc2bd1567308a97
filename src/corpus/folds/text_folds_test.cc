// SPDX-License-Identifier: Apache-2.0
// Tests of folds with unseen sentences (text), and with unseen speakers and sentences (speaker-text).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/random.h"
#include "base/test_folder.h"
#include "corpus/folds/folds.h"
#include "corpus/groups.h"

namespace loralens {
namespace {

using testing::HasSubstr;

// Every speaker says every sentence, a random number of times in a random class.
Clips spoken_clips(uint64_t seed, int speakers, int texts) {
  Random random(seed);
  Clips clips;
  for (int s = 0; s < speakers; ++s)
    for (int t = 0; t < texts; ++t)
      for (uint64_t i = 0, n = 1 + random.below(4); i < n; ++i) {
        Clip clip;
        clip.id = fmt::format("{}-{}-{}.wav", s, t, i);
        clip.path = clip.id;
        clip.speaker = fmt::format("s{:02}", s);
        clip.text = fmt::format("Sentence {}", t);
        if (random.below(2)) clip.text += ".";
        clip.label = fmt::format("c{}", random.below(3));
        clips.clips.push_back(clip);
      }
  random.shuffle(clips.clips);
  return clips;
}

std::set<std::string> values_of(const Clips& clips, const std::vector<int64_t>& numbers, const char* column) {
  const auto values = group_values(clips, column);
  std::set<std::string> result;
  for (const int64_t number : numbers) result.insert(values[number]);
  return result;
}

bool disjoint(const Clips& clips, const std::vector<int64_t>& a, const std::vector<int64_t>& b, const char* column) {
  const auto x = values_of(clips, a, column), y = values_of(clips, b, column);
  return std::none_of(x.begin(), x.end(), [&](const auto& value) { return y.contains(value); });
}

void expect_disjoint(const Clips& clips, const Fold& fold, const char* column) {
  EXPECT_TRUE(disjoint(clips, fold.train, fold.test, column));
  EXPECT_TRUE(disjoint(clips, fold.train, fold.development, column));
  EXPECT_TRUE(disjoint(clips, fold.development, fold.test, column));
}

bool same(const std::vector<Fold>& a, const std::vector<Fold>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Fold& x, const Fold& y) {
    return x.train == y.train && x.development == y.development && x.test == y.test;
  });
}

void expect_each_tested_once(const Clips& clips, const std::vector<Fold>& folds) {
  std::vector<int> tested(clips.clips.size());
  for (const auto& fold : folds)
    for (const int64_t clip : fold.test) ++tested[clip];
  EXPECT_EQ(std::count(tested.begin(), tested.end(), 1), std::ssize(tested));
}

TEST(TextFolds, TestOnSentencesThatNobodyTrainsOn) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto clips = spoken_clips(seed, 6, 8 + static_cast<int>(seed % 5));
    const FoldOptions options{.scheme = "text:4", .seed = seed, .allow_leaks = true};
    const auto folds = make_folds(clips, options, true);
    ASSERT_EQ(folds.size(), 4u);
    expect_each_tested_once(clips, folds);
    for (const auto& fold : folds) {
      EXPECT_EQ(fold.train.size() + fold.development.size() + fold.test.size(), clips.clips.size());
      EXPECT_FALSE(fold.development.empty());
      expect_disjoint(clips, fold, "text");
    }
    EXPECT_TRUE(same(folds, make_folds(clips, options, true)));
  }
  const auto clips = spoken_clips(1, 3, 5);
  EXPECT_EQ(make_folds(clips, {.scheme = "text", .allow_leaks = true}, false).size(), 5u);
  EXPECT_THAT(error_of([&] { make_folds(clips, {.scheme = "text"}, false); }), HasSubstr("or allow leaks"));
}

TEST(TextFolds, SpeakersAndSentencesAreBothUnseen) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto clips = spoken_clips(seed, 8 + static_cast<int>(seed % 7), 6 + static_cast<int>(seed % 4));
    const FoldOptions options{.scheme = "speaker-text:4x3", .seed = seed};
    const auto folds = make_folds(clips, options, true);
    ASSERT_EQ(folds.size(), 12u);
    expect_each_tested_once(clips, folds);
    const auto plain = make_folds(clips, options, false);
    for (size_t f = 0; f < folds.size(); ++f) {
      for (const char* column : {"speaker", "text"}) expect_disjoint(clips, folds[f], column);
      EXPECT_FALSE(folds[f].train.empty() || folds[f].development.empty());
      EXPECT_EQ(plain[f].test, folds[f].test);
      // An unused clip shares either a speaker or a sentence with the test part, not both.
      const auto speakers = values_of(clips, folds[f].test, "speaker"), texts = values_of(clips, folds[f].test, "text");
      std::set<int64_t> used(plain[f].train.begin(), plain[f].train.end());
      used.insert(plain[f].test.begin(), plain[f].test.end());
      const auto all_speakers = group_values(clips, "speaker"), all_texts = group_values(clips, "text");
      for (int64_t i = 0; i < std::ssize(clips.clips); ++i) {
        const auto clip = static_cast<size_t>(i);
        EXPECT_EQ(used.contains(i), speakers.contains(all_speakers[clip]) == texts.contains(all_texts[clip]));
      }
    }
    EXPECT_TRUE(same(folds, make_folds(clips, options, true)));
  }
}

TEST(TextFolds, UnusedClipsAreWrittenAndRead) {
  const TestFolder folder;
  const auto clips = spoken_clips(3, 6, 6);
  const auto folds = make_folds(clips, {.scheme = "speaker-text:3x2"}, true);
  write_folds(folder.path() / "folds.csv", clips, folds);
  EXPECT_TRUE(same(read_folds(folder.path() / "folds.csv", clips), folds));
  const auto text = read_file(folder.path() / "folds.csv");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1 + 6 * std::ssize(clips.clips));  // a row per clip and fold
  EXPECT_THAT(text, HasSubstr(",unused\n"));
}

TEST(TextFolds, ErrorsSayWhatToDo) {
  const auto message = [](const Clips& clips, const char* scheme, bool development) {
    return error_of([&] { make_folds(clips, {.scheme = scheme, .allow_leaks = true}, development); });
  };
  const auto two = spoken_clips(4, 6, 2);
  EXPECT_EQ(message(two, "speaker-text:3x2", false), "");
  EXPECT_THAT(message(two, "speaker-text:3x2", true), HasSubstr("trains on one sentence only"));
  EXPECT_THAT(message(two, "text:2", true), HasSubstr("(train --select last)"));
  EXPECT_THAT(message(two, "text:3", false), HasSubstr("there are only 2 texts: choose text:2 or fewer folds"));
  EXPECT_THAT(message(two, "speaker-text:3x3", false), HasSubstr("there are only 2 texts: choose 2 or fewer folds"));
  for (const char* bad :
       {"speaker-text:3", "speaker-text", "speaker-text:3x", "speaker-text:x2", "speaker-text:1x2", "text:1"})
    EXPECT_NE(message(two, bad, false), "") << bad;
  auto silent = two;
  silent.clips[2].text.clear();
  EXPECT_THAT(message(silent, "text:2", false), HasSubstr("clips have no text"));
  Clips apart;  // each speaker has sentences of their own
  for (int i = 0; i < 40; ++i) {
    Clip clip;
    clip.id = fmt::format("{}.wav", i);
    clip.speaker = fmt::format("{}", i % 4);
    clip.text = fmt::format("{} {}", i % 4, i / 4);
    clip.label = i % 3 ? "x" : "y";
    apart.clips.push_back(clip);
  }
  apart.clips.resize(5);
  EXPECT_THAT(message(apart, "speaker-text:4x5", false), HasSubstr("not every speaker says every sentence"));
}

TEST(Groups, TextsAreComparedAsSpoken) {
  EXPECT_EQ(spoken_words("Kids are talking, by the door!"), "kids are talking by the door");
  EXPECT_EQ(spoken_words("  DON'T   you  "), "dont you");
  EXPECT_EQ(spoken_words("Könnte"), "könnte");
  EXPECT_EQ(spoken_words("..."), "...");
  EXPECT_EQ(spoken_words(""), "");
}

}  // namespace
}  // namespace loralens
