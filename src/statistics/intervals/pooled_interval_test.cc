// SPDX-License-Identifier: Apache-2.0
#include "statistics/intervals/pooled_interval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "statistics/intervals/test_runs.h"

namespace loralens {
namespace {

using testing::HasSubstr;

// Two classes; right[s] of 10 clips of class 0 and all of 10 clips of class 1.
std::vector<Confusion> speakers_with(const std::vector<int64_t>& right) {
  std::vector<Confusion> speakers;
  for (const int64_t count : right) {
    speakers.emplace_back(2);
    speakers.back().counts = {count, 10 - count, 0, 10};
  }
  return speakers;
}

PooledScores scores_of(const std::vector<std::vector<Confusion>>& runs) {
  return *pooled_scores(runs, Score::uar).value;
}

TEST(PooledInterval, AgreesWithScipyForOneRunAndForSeveral) {
  for (const auto& e : expected::pooled) {
    const PooledScores scores = scores_of(runs_of(e, 0));
    EXPECT_NEAR(scores.value(), e.value, 1e-12);
    const auto found = pooled_uncertainty(scores);
    EXPECT_NEAR(found.value->error, e.error, 1e-12);
    EXPECT_NEAR(found.value->degrees, e.degrees, 1e-9);
    const auto interval = pooled_score_interval(scores);
    EXPECT_NEAR(interval.value->low, e.low, 1e-10);
    EXPECT_NEAR(interval.value->high, e.high, 1e-10);
    EXPECT_EQ(interval.reason, "");
  }
}

TEST(PooledInterval, ContributionsOfEqualSpeakersAreTheirScores) {
  const auto scores = scores_of({speakers_with({9, 7, 8, 10})});
  const auto contributions = scores.contributions();
  const std::vector<double> own = {0.95, 0.85, 0.9, 1};
  ASSERT_EQ(contributions.size(), own.size());
  for (size_t s = 0; s < own.size(); ++s) EXPECT_NEAR(contributions[s], own[s], 1e-12);
}

TEST(PooledInterval, RunsThatDifferWidenIt) {
  const std::vector<std::vector<Confusion>> alike(3, speakers_with({9, 7, 8, 6, 9}));
  const std::vector<std::vector<Confusion>> apart = {speakers_with({10, 8, 9, 7, 10}), speakers_with({9, 7, 8, 6, 9}),
                                                     speakers_with({8, 6, 7, 5, 8})};
  const auto same = pooled_uncertainty(scores_of(alike)), other = pooled_uncertainty(scores_of(apart));
  EXPECT_NEAR(scores_of(alike).value(), scores_of(apart).value(), 1e-12);
  EXPECT_EQ(same.value->degrees, 4);
  // Runs with UAR 0.94, 0.89, 0.84: variance 0.0025 / 3 of their mean.
  EXPECT_NEAR(std::pow(other.value->error, 2) - std::pow(same.value->error, 2), 0.0025 / 3, 1e-12);
  // Satterthwaite: (V_s + V_r)² / (V_s² / 4 + V_r² / 2); there is no interaction.
  const double by_speakers = std::pow(same.value->error, 2), by_runs = 0.0025 / 3;
  EXPECT_NEAR(other.value->degrees,
              std::pow(by_speakers + by_runs, 2) / (by_speakers * by_speakers / 4 + by_runs * by_runs / 2), 1e-9);
}

TEST(PooledInterval, SaysWhyThereIsNone) {
  const auto reason = [](const std::vector<std::vector<Confusion>>& runs) {
    const auto interval = pooled_score_interval(scores_of(runs));
    EXPECT_FALSE(interval.value);
    return interval.reason;
  };
  EXPECT_THAT(reason({speakers_with({9, 7, 8, 9})}), HasSubstr("4 speakers are too few"));
  EXPECT_THAT(reason({speakers_with({9, 7, 8, 9, 8}), speakers_with({9, 7, 8, 9, 8})}),
              HasSubstr("2 runs are too few"));
  EXPECT_THAT(reason({speakers_with({10, 10, 10, 10, 10})}), HasSubstr("at the end of its range"));
  EXPECT_THAT(reason({speakers_with({9, 9, 9, 9, 9})}), HasSubstr("all speakers contribute the same"));
}

TEST(PooledScores, SayThatAClassIsMissingWithoutASpeaker) {
  auto speakers = speakers_with({9, 7, 8, 10});
  for (size_t s = 1; s < 4; ++s) speakers[s].counts[3] = 0;  // class 1 is speaker 0's alone
  const auto found = pooled_scores(std::vector<std::vector<Confusion>>{speakers}, Score::uar);
  EXPECT_FALSE(found.value);
  EXPECT_THAT(found.reason, HasSubstr("all clips of class 1 are of one speaker"));
  const auto accuracy = pooled_scores(std::vector<std::vector<Confusion>>{speakers}, Score::war);
  ASSERT_TRUE(accuracy.value);
  EXPECT_NEAR(accuracy.value->without[0], 25.0 / 30, 1e-12);
}

TEST(PooledScores, AClassWithoutAnyClipIsNotMissing) {
  std::vector<Confusion> speakers;
  for (const auto& two : speakers_with({9, 7, 8, 10})) {
    speakers.emplace_back(3);
    speakers.back().counts = {two.counts[0], two.counts[1], 0, 0, 10, 0, 0, 0, 0};
  }
  const auto found = pooled_scores(std::vector<std::vector<Confusion>>{speakers}, Score::uar);
  ASSERT_TRUE(found.value);
  EXPECT_NEAR(found.value->value(), 0.925, 1e-12);
}

TEST(PooledScores, MeansOverClipsWeightSpeakersByTheirClips) {
  const std::vector<double> sums = {1, 4, 6};
  const std::vector<int64_t> clips = {1, 2, 3};
  const auto found = pooled_means(sums, clips);
  EXPECT_NEAR(found.value->value(), 11.0 / 6, 1e-12);
  EXPECT_NEAR(found.value->without[2], 5.0 / 3, 1e-12);
  EXPECT_THAT(pooled_means(std::vector<double>{1}, std::vector<int64_t>{1}).reason, HasSubstr("one speaker"));
}

TEST(PooledScores, RefusesRunsOfOtherSpeakers) {
  EXPECT_THROW(pooled_scores(std::vector{speakers_with({9, 7}), speakers_with({9, 7, 8})}, Score::uar), Error);
  EXPECT_THROW(pooled_scores({}, Score::uar), Error);
  EXPECT_THROW(difference(scores_of({speakers_with({9, 7})}), scores_of({speakers_with({9, 7, 8})})), Error);
  EXPECT_THROW(pooled_means(std::vector<double>{1, 2, 3}, std::vector<int64_t>{1, 1}), Error);
}

}  // namespace
}  // namespace loralens
