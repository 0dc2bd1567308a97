// SPDX-License-Identifier: Apache-2.0
#include "corpus/folds/folds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/random.h"
#include "base/test_folder.h"
#include "corpus/folds/even_groups.h"
#include "corpus/test_memory.h"

namespace loralens {
namespace {

using testing::HasSubstr;

void add_clip(Clips& clips, const std::string& speaker, const std::string& label, const std::string& session = "") {
  Clip clip;
  clip.id = fmt::format("{:06}.wav", clips.clips.size());
  clip.path = clip.id;
  clip.speaker = speaker;
  clip.label = label;
  clip.session = session;
  clips.clips.push_back(clip);
}

// Each speaker has a random number of clips, at least one, of each class.
Clips random_clips(uint64_t seed, int speakers, int classes) {
  Random random(seed);
  Clips clips;
  for (int s = 0; s < speakers; ++s)
    for (int c = 0; c < classes; ++c)
      for (uint64_t i = 0, n = 1 + random.below(12); i < n; ++i)
        add_clip(clips, fmt::format("s{:03}", s), fmt::format("c{}", c), fmt::format("{}", s / 2));
  random.shuffle(clips.clips);
  return clips;
}

std::set<std::string> values_of(const Clips& clips, const std::vector<int64_t>& numbers, std::string Clip::* member) {
  std::set<std::string> values;
  for (const int64_t number : numbers) values.insert(clips.clips[number].*member);
  return values;
}

bool disjoint(const std::set<std::string>& a, const std::set<std::string>& b) {
  return std::none_of(a.begin(), a.end(), [&](const auto& value) { return b.contains(value); });
}

void expect_partition(const Clips& clips, const std::vector<Fold>& folds) {
  std::vector<int> tested(clips.clips.size());
  for (const auto& fold : folds) {
    std::vector<int> seen(clips.clips.size());
    for (const auto* part : {&fold.train, &fold.development, &fold.test}) {
      EXPECT_TRUE(std::is_sorted(part->begin(), part->end()));
      for (const int64_t clip : *part) ++seen[clip];
    }
    EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), std::ssize(seen));
    for (const int64_t clip : fold.test) ++tested[clip];
  }
  EXPECT_EQ(std::count(tested.begin(), tested.end(), 1), std::ssize(tested));
}

void expect_no_shared_speaker(const Clips& clips, const std::vector<Fold>& folds) {
  for (const auto& fold : folds) {
    const auto train = values_of(clips, fold.train, &Clip::speaker);
    const auto development = values_of(clips, fold.development, &Clip::speaker);
    const auto test = values_of(clips, fold.test, &Clip::speaker);
    EXPECT_TRUE(disjoint(train, test) && disjoint(development, test) && disjoint(train, development));
  }
  EXPECT_EQ(speaker_leak(clips, folds), "");
}

bool same(const std::vector<Fold>& a, const std::vector<Fold>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Fold& x, const Fold& y) {
    return x.train == y.train && x.development == y.development && x.test == y.test;
  });
}

TEST(Folds, BySpeakerKeepTheirPromisesOnRandomTables) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed + 1000);
    const int speakers = 4 + static_cast<int>(random.below(30)), classes = 2 + static_cast<int>(random.below(7));
    const auto clips = random_clips(seed, speakers, classes);
    const int k = 2 + static_cast<int>(random.below(static_cast<uint64_t>(speakers) - 2));
    const FoldOptions options{.scheme = fmt::format("speaker:{}", k), .seed = seed};
    const auto folds = make_folds(clips, options, true);
    ASSERT_EQ(folds.size(), static_cast<size_t>(k));
    expect_partition(clips, folds);
    expect_no_shared_speaker(clips, folds);
    EXPECT_TRUE(same(folds, make_folds(clips, options, true)));
    const auto all = static_cast<size_t>(classes);
    const auto plain = make_folds(clips, options, false);
    for (size_t f = 0; f < folds.size(); ++f) {
      for (const auto* part : {&folds[f].train, &folds[f].development, &folds[f].test})
        EXPECT_EQ(values_of(clips, *part, &Clip::label).size(), all);  // every speaker has every class here
      EXPECT_EQ(plain[f].test, folds[f].test);
      EXPECT_TRUE(plain[f].development.empty());
      const auto held = values_of(clips, folds[f].development, &Clip::speaker).size();
      const auto trained = held + values_of(clips, folds[f].train, &Clip::speaker).size();
      if (trained >= 10) {
        EXPECT_GE(8 * held, trained);
        EXPECT_LE(5 * held, trained);
      } else {
        EXPECT_EQ(held, 1u);
      }
    }
  }
}

TEST(Folds, OneFoldASpeakerIsLeavingOneOut) {
  const auto clips = random_clips(1, 10, 4);
  const auto ten = make_folds(clips, {.scheme = "speaker:10", .seed = 5}, false);
  EXPECT_TRUE(same(ten, make_folds(clips, {.scheme = "speaker"}, false)));
  for (size_t f = 0; f < ten.size(); ++f)
    EXPECT_EQ(values_of(clips, ten[f].test, &Clip::speaker), std::set{fmt::format("s{:03}", f)});
}

TEST(Folds, EqualSpeakersGiveEqualFolds) {
  Clips clips;
  for (int s = 0; s < 24; ++s)
    for (int i = 0; i < 28; ++i) add_clip(clips, fmt::format("{:02}", s), i < 4 ? "neutral" : i < 16 ? "angry" : "sad");
  const auto folds = make_folds(clips, {.scheme = "speaker:8"}, true);
  for (const auto& fold : folds) {
    EXPECT_EQ(fold.test.size(), 3u * 28);
    EXPECT_EQ(fold.development.size(), 3u * 28);  // 3 of 21 training speakers
  }
  EXPECT_FALSE(same(folds, make_folds(clips, {.scheme = "speaker:8", .seed = 43}, true)));
}

// If the speakers can be divided evenly, they are: 2 folds from speakers with {3, 1} and {1, 3} clips of two classes.
TEST(Folds, AreEvenInEachClassWhereTheyCanBe) {
  Clips clips;
  for (int s = 0; s < 8; ++s)
    for (int i = 0; i < 4; ++i) add_clip(clips, std::to_string(s), (i < 3) == (s < 4) ? "x" : "y");
  for (uint64_t seed = 0; seed < 20; ++seed)
    for (const auto& fold : make_folds(clips, {.scheme = "speaker:4", .seed = seed}, false)) {
      int64_t x = 0;
      for (const int64_t clip : fold.test) x += clips.clips[clip].label == "x";
      EXPECT_EQ(x, 4);
      EXPECT_EQ(fold.test.size(), 8u);
    }
}

// The table is generated from folds with equal numbers of clips of each class, so a perfect division of its speakers
// exists: the folds found differ from it by at most one clip.
TEST(Folds, AreWithinAClipOfEvenWhereThatIsPossible) {
  int far = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Random random(seed);
    const auto folds = 2 + static_cast<int64_t>(random.below(4)), classes = 2 + static_cast<int64_t>(random.below(3));
    const uint64_t speakers_in_fold = 2 + random.below(3);
    const int64_t in_class = 12;
    Clips clips;
    for (int64_t f = 0; f < folds; ++f)
      for (int64_t c = 0; c < classes; ++c)
        for (int64_t i = 0; i < in_class; ++i)
          add_clip(clips, fmt::format("{}-{}", f, random.below(speakers_in_fold)), fmt::format("{}", c));
    random.shuffle(clips.clips);
    for (const auto& fold : make_folds(clips, {.scheme = fmt::format("speaker:{}", folds), .seed = seed}, false))
      for (int64_t c = 0; c < classes; ++c) {
        const auto count = std::count_if(fold.test.begin(), fold.test.end(),
                                         [&](int64_t clip) { return clips.clips[clip].label == fmt::format("{}", c); });
        far += std::abs(count - in_class) > 1;
      }
  }
  EXPECT_EQ(far, 0);
}

// If all speakers have the same number of clips, the folds' numbers of speakers differ by at most one.
TEST(Folds, EqualSpeakersAreCountedOutEvenly) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    Random random(seed);
    const auto speakers = 5 + random.below(40), folds = 2 + random.below(std::min<uint64_t>(speakers - 2, 9));
    Clips clips;
    for (uint64_t s = 0; s < speakers; ++s)
      for (const char* label : {"x", "y", "y"}) add_clip(clips, fmt::format("{:02}", s), label);
    for (const auto& fold : make_folds(clips, {.scheme = fmt::format("speaker:{}", folds), .seed = seed}, false)) {
      const auto count = values_of(clips, fold.test, &Clip::speaker).size();
      EXPECT_GE(count, speakers / folds);
      EXPECT_LE(count, (speakers + folds - 1) / folds);
    }
  }
}

// Against brute force over all partitions of 6 speakers into 2 folds: the greedy start with moves and swaps comes
// within 10 % of the lowest unevenness on average.
TEST(Folds, AreNearlyAsEvenAsTheBestPartition) {
  double found = 0, best = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Random random(seed);
    GroupCounts counts(6, 3);
    for (auto& count : counts.counts) count = static_cast<int64_t>(random.below(20));
    const auto unevenness = [&](auto&& fold_of) {
      double sum = 0;
      for (int64_t c = 0; c < 3; ++c) {
        double side[2] = {0, 0};
        for (int64_t g = 0; g < 6; ++g) side[fold_of(g)] += static_cast<double>(counts.at(g, c));
        if (side[0] + side[1] > 0) sum += (side[0] - side[1]) * (side[0] - side[1]) / (side[0] + side[1]);
      }
      return sum;
    };
    double least = 1e9;
    for (int mask = 1; mask < 63; ++mask) least = std::min(least, unevenness([&](int64_t g) { return mask >> g & 1; }));
    const auto folds = balanced_folds(counts, 2, random);
    best += least;
    found += unevenness([&](int64_t g) { return folds[g]; });
  }
  EXPECT_LE(found, 1.1 * best);
}

TEST(Folds, ARareClassStaysInTraining) {
  Clips clips;
  for (int s = 0; s < 12; ++s)
    for (const char* label : {"x", "y", "x", "y"}) add_clip(clips, fmt::format("{:02}", s), label);
  for (const char* speaker : {"03", "07", "09"}) add_clip(clips, speaker, "rare");
  for (uint64_t seed = 0; seed < 30; ++seed)
    for (const auto& fold : make_folds(clips, {.scheme = "speaker", .seed = seed}, true)) {
      EXPECT_EQ(values_of(clips, fold.train, &Clip::label).size(), 3u);
      EXPECT_EQ(values_of(clips, fold.development, &Clip::label).size(), 3u);
    }
}

TEST(Folds, BySessionAndColumn) {
  auto clips = random_clips(3, 10, 4);
  const auto sessions = make_folds(clips, {.scheme = "session"}, true);
  ASSERT_EQ(sessions.size(), 5u);
  expect_partition(clips, sessions);
  expect_no_shared_speaker(clips, sessions);
  EXPECT_EQ(values_of(clips, sessions[2].test, &Clip::session), std::set<std::string>{"2"});
  EXPECT_TRUE(same(sessions, make_folds(clips, {.scheme = "column:session"}, true)));

  clips.extra_columns = {"room"};
  for (size_t i = 0; i < clips.clips.size(); ++i) clips.clips[i].extra = {i % 2 ? "odd" : "even"};
  EXPECT_THAT(error_of([&] { make_folds(clips, {.scheme = "column:room"}, false); }),
              HasSubstr("folds column:room: fold 0 has speaker "));
  const auto rooms = make_folds(clips, {.scheme = "column:room", .allow_leaks = true}, false);
  ASSERT_EQ(rooms.size(), 2u);
  expect_partition(clips, rooms);
  EXPECT_NE(speaker_leak(clips, rooms), "");
}

// Equal speaker names in two corpora are different people.
TEST(Folds, ByCorpus) {
  Clips clips;
  for (int i = 0; i < 40; ++i) {
    add_clip(clips, fmt::format("{:02}", i % 4), i % 8 < 4 ? "x" : "y");
    clips.clips.back().corpus = i < 20 ? "one" : "two";
  }
  const auto folds = make_folds(clips, {.scheme = "corpus"}, true);
  ASSERT_EQ(folds.size(), 2u);
  expect_partition(clips, folds);
  EXPECT_EQ(values_of(clips, folds[0].test, &Clip::corpus), std::set<std::string>{"one"});
  EXPECT_EQ(values_of(clips, folds[0].train, &Clip::corpus), std::set<std::string>{"two"});
  EXPECT_EQ(values_of(clips, folds[0].development, &Clip::speaker).size(), 1u);
  EXPECT_EQ(speaker_leak(clips, folds), "");
  EXPECT_EQ(make_folds(clips, {.scheme = "speaker"}, false).size(), 8u);
  EXPECT_THAT(speaker_leak(clips, {{{0}, {}, {4}}}), HasSubstr("fold 0 has speaker one/00 in training and test"));
  for (auto& clip : clips.clips) clip.corpus = "one";
  EXPECT_THAT(error_of([&] { make_folds(clips, {.scheme = "corpus"}, false); }),
              HasSubstr("all clips have the corpus 'one'"));
}

TEST(Folds, RandomOnesAreEvenByClassAndNeedPermission) {
  const auto clips = random_clips(4, 9, 5);
  EXPECT_THAT(error_of([&] { make_folds(clips, {.scheme = "random:5"}, false); }), HasSubstr("choose speaker:5"));
  for (const bool development : {false, true}) {
    const auto folds = make_folds(clips, {.scheme = "random:5", .allow_leaks = true}, development);
    expect_partition(clips, folds);
    for (const auto& [label, count] : counts_by(clips, "label"))
      for (const auto& fold : folds) {
        const auto in_test = std::count_if(fold.test.begin(), fold.test.end(),
                                           [&](int64_t clip) { return clips.clips[clip].label == label; });
        EXPECT_LE(std::abs(5 * in_test - count), 5);
      }
    EXPECT_EQ(folds[0].development.empty(), !development);
  }
}

TEST(Folds, ErrorsSayWhatToDo) {
  const auto message = [](const Clips& clips, const char* scheme, bool development = true) {
    return error_of([&] { make_folds(clips, {.scheme = scheme}, development); });
  };
  const auto three = random_clips(5, 3, 2), two = random_clips(5, 2, 2), one = random_clips(5, 1, 2);
  EXPECT_THAT(message(three, "speaker:4"), HasSubstr("there are only 3 speakers: choose speaker:3 or fewer"));
  EXPECT_THAT(message(one, "speaker"), HasSubstr("all clips have the speaker 's000'"));
  EXPECT_THAT(message(two, "speaker"), HasSubstr("trains on one speaker only"));
  EXPECT_EQ(message(two, "speaker", false), "");
  for (const char* bad : {"speaker:1", "speaker:x", "speaker:", "speaker:3 ", "random:0", "column:", "nothing", ""})
    EXPECT_NE(message(three, bad), "") << bad;
  EXPECT_THAT(message(three, "column:room"), HasSubstr("no column 'room'"));
  EXPECT_THAT(message(Clips{}, "speaker"), HasSubstr("there are no clips"));
  auto unknown = three;
  unknown.clips[1].speaker = "";
  EXPECT_THAT(message(unknown, "speaker:2"), HasSubstr("1 of "));
  EXPECT_THAT(message(unknown, "session"), HasSubstr("names no speaker"));
  const auto allowed = make_folds(unknown, {.scheme = "session", .allow_leaks = true}, true);
  expect_partition(unknown, allowed);
}

TEST(FoldsFile, IsReadAsWritten) {
  const TestFolder folder;
  const auto clips = random_clips(6, 6, 3);
  const auto folds = make_folds(clips, {.scheme = "speaker:3"}, true);
  write_folds(folder.path() / "folds.csv", clips, folds);
  EXPECT_TRUE(same(read_folds(folder.path() / "folds.csv", clips), folds));
  const FoldOptions from_file{.scheme = "file:" + (folder.path() / "folds.csv").string()};
  EXPECT_TRUE(same(make_folds(clips, from_file, true), folds));

  const auto plain = make_folds(clips, {.scheme = "speaker:3"}, false);
  write_folds(folder.path() / "folds.csv", clips, plain);
  const auto nested = make_folds(clips, from_file, true);
  expect_partition(clips, nested);
  expect_no_shared_speaker(clips, nested);
  EXPECT_FALSE(nested[0].development.empty());
}

TEST(FoldsFile, ErrorsSayWhere) {
  const TestFolder folder;
  Clips clips;
  for (const char* speaker : {"a", "b", "c"}) add_clip(clips, speaker, "x");
  const auto message = [&](const std::string& rows) {
    const auto path = folder.write("folds.csv", "id,fold,part\n" + rows);
    return error_of([&] { read_folds(path, clips); });
  };
  const std::string whole = "000000.wav,0,train\n000001.wav,0,test\n000002.wav,0,train\n";
  EXPECT_EQ(message(whole), "");
  EXPECT_THAT(message(""), HasSubstr("no folds"));
  EXPECT_THAT(message("x.wav,0,train\n"), HasSubstr("row 2: no clip of the corpus has the id x.wav"));
  EXPECT_THAT(message(whole + "000000.wav,-1,train\n"), HasSubstr("row 5: '-1' is no number of a fold"));
  EXPECT_THAT(message("000000.wav,0,dev\n"), HasSubstr("row 2: 'dev' is no part"));
  EXPECT_THAT(message(whole + "000000.wav,0,test\n"), HasSubstr("row 5: the clip 000000.wav is in fold 0 already"));
  EXPECT_THAT(message("000000.wav,0,train\n000001.wav,0,test\n"), HasSubstr("no row for the clip 000002.wav"));
  EXPECT_THAT(message("000000.wav,1,train\n"), HasSubstr("fold 0 has no rows"));
  EXPECT_THAT(message("000000.wav,0,test\n000001.wav,0,test\n000002.wav,0,test\n"), HasSubstr("has no train part"));
}

TEST(Folds, AHundredThousandRowsAreReadAndFoldedInLittleMemory) {
  const TestFolder folder;
  std::string text = "path,label,speaker,session,text,corpus,language,gender,take\n";
  for (size_t i = 0; i < many; ++i)
    text += fmt::format(
        "speaker_{:04}/session_{}/utterance_{:06}.wav,c{},sp{:04},{},Kids are talking by the door.,"
        "corpus,en,female,{}\n",
        i % 997, i % 5, i, i % 8, i % 997, i % 5, i);
  const auto path = folder.write("clips.csv", text);
  text = std::string();
  const auto before = peak_megabytes();
  const auto clips = read_clips(path);
  const auto folds = make_folds(clips, {}, true);
  expect_partition(clips, folds);
  EXPECT_LT(peak_megabytes() - before, 300);
  RecordProperty("megabytes", static_cast<int>(peak_megabytes() - before));
}

}  // namespace
}  // namespace loralens
