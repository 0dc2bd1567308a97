// SPDX-License-Identifier: Apache-2.0
#include "analysis/concepts/concepts.h"

#include <gmock/gmock.h>

#include <map>
#include <numeric>
#include <set>

namespace loralens {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = Concept::Kind;

// 24 clips of four speakers: each says three texts twice, with the emotions 0 and 1. s0 and s1 are female.
class ConceptsTest : public testing::Test {
 protected:
  ConceptsTest() {
    for (int64_t i = 0; i < 24; ++i) {
      Clip clip;
      clip.id = std::to_string(i);
      clip.speaker = "s" + std::to_string(i / 6);
      clip.gender = i < 12 ? "female" : "male";
      clip.text = std::string(1, static_cast<char>('a' + i / 2 % 3));
      clips_.clips.push_back(clip);
      setting_.labels.push_back(i % 2);
    }
    setting_.classes = {"anger", "neutral"};
    setting_.clips = &clips_;
    all_.resize(24);
    std::iota(all_.begin(), all_.end(), 0);
  }
  Concept find(Kind kind) {
    notes_.clear();
    for (const Concept& found : concepts_of(setting_, notes_))
      if (found.kind == kind) return found;
    ADD_FAILURE() << "no such concept";
    return {};
  }
  std::vector<int64_t> permuted(Kind kind, uint64_t seed) {
    Random random(seed);
    return permuted_labels(setting_, find(kind), all_, random);
  }

  Clips clips_;
  Setting setting_;
  std::vector<int64_t> all_;
  std::vector<std::string> notes_;
};

TEST_F(ConceptsTest, ClassesAreTheSortedValuesAndEmptyOnesAreUnknown) {
  clips_.clips[3].gender = "";
  const Concept gender = find(Kind::gender);
  EXPECT_TRUE(notes_.empty());
  EXPECT_THAT(gender.classes, ElementsAre("female", "male"));
  EXPECT_EQ(gender.labels[3], -1);
  EXPECT_THAT(gender.known({2, 3, 20}), ElementsAre(2, 20));
  EXPECT_THAT(gender.labels_of({2, 20}), ElementsAre(0, 1));
  EXPECT_EQ(find(Kind::emotion).labels, setting_.labels);
  const Setting changed = setting_for(setting_, gender);
  EXPECT_EQ(changed.labels, gender.labels);
  EXPECT_EQ(changed.classes, gender.classes);
}

TEST_F(ConceptsTest, AMissingColumnAndTextsOfOneSpeakerAreNamed) {
  for (Clip& clip : clips_.clips) {
    clip.gender = "";
    clip.text += clip.speaker;
  }
  std::vector<std::string> names;
  for (const Concept& found : concepts_of(setting_, notes_)) names.push_back(found.name);
  EXPECT_THAT(names, ElementsAre("emotion", "speaker"));
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("gender is left out"), HasSubstr("text is left out")));
}

TEST_F(ConceptsTest, EmotionsAndTextsStayWithinTheSpeaker) {
  for (const Kind kind : {Kind::emotion, Kind::text}) {
    const auto before = find(kind).labels_of(all_), after = permuted(kind, 1);
    EXPECT_NE(before, after);
    for (int64_t speaker = 0; speaker < 4; ++speaker) {
      const auto of = [&](const std::vector<int64_t>& labels) {
        return std::multiset(labels.begin() + 6 * speaker, labels.begin() + 6 * (speaker + 1));
      };
      EXPECT_EQ(of(before), of(after));
    }
  }
}

TEST_F(ConceptsTest, SpeakersStayWithinTheText) {
  const auto before = find(Kind::speaker).labels_of(all_), after = permuted(Kind::speaker, 1);
  EXPECT_NE(before, after);
  std::map<std::string, std::multiset<int64_t>> first, second;
  for (size_t i = 0; i < before.size(); ++i) {
    first[clips_.clips[i].text].insert(before[i]);
    second[clips_.clips[i].text].insert(after[i]);
  }
  EXPECT_EQ(first, second);
}

TEST_F(ConceptsTest, GendersArePermutedAmongWholeSpeakers) {
  std::set<std::vector<int64_t>> seen;  // genders of the four speakers
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const auto labels = permuted(Kind::gender, seed);
    for (size_t i = 0; i < labels.size(); ++i) EXPECT_EQ(labels[i], labels[i / 6 * 6]);
    seen.insert({labels[0], labels[6], labels[12], labels[18]});
  }
  EXPECT_EQ(seen.size(), 6);  // all ways to choose two of four speakers
}

}  // namespace
}  // namespace loralens
