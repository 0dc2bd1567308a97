// SPDX-License-Identifier: Apache-2.0
#include "statistics/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "statistics/test_numbers_metrics.h"

namespace loralens {
namespace {

double accuracy(std::span<const int64_t> times) {
  int64_t right = 0, clips = 0;
  for (size_t g = 0; g < times.size(); ++g) {
    right += times[g] * expected::right[g];
    clips += times[g] * expected::clips[g];
  }
  return static_cast<double>(right) / static_cast<double>(clips);
}

std::vector<Confusion> speakers_with(const std::vector<int64_t>& right, const std::vector<int64_t>& clips) {
  std::vector<Confusion> speakers;
  for (size_t g = 0; g < right.size(); ++g) {
    speakers.emplace_back(2);
    speakers.back().counts = {right[g], clips[g] - right[g], 0, 0};
  }
  return speakers;
}

TEST(Bootstrap, AgreesWithScipyWithinSimulationError) {
  BootstrapOptions options;
  options.resamples = 40000;
  const auto interval = bootstrap_groups(expected::right.size(), accuracy, options);
  // The 2.5 % quantile of 40,000 draws has a standard error of about 0.015 of the width.
  const double tolerance = 0.03 * (expected::accuracy_high - expected::accuracy_low);
  EXPECT_NEAR(interval.low, expected::accuracy_low, tolerance);
  EXPECT_NEAR(interval.high, expected::accuracy_high, tolerance);

  const auto same = bootstrap_confusions(speakers_with(expected::right, expected::clips), war, options);
  EXPECT_EQ(same.low, interval.low);
  EXPECT_EQ(same.high, interval.high);
}

TEST(Bootstrap, ASeedGivesOneInterval) {
  BootstrapOptions options;
  const auto first = bootstrap_groups(12, accuracy, options), again = bootstrap_groups(12, accuracy, options);
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  options.seed = 43;
  EXPECT_NE(bootstrap_groups(12, accuracy, options).low, first.low);
}

TEST(Bootstrap, DrawsAsManyGroupsAsThereAre) {
  bootstrap_groups(5, [](std::span<const int64_t> times) {
    int64_t sum = 0;
    for (const int64_t time : times) sum += time;
    EXPECT_EQ(sum, 5);
    return 0.0;
  });
}

TEST(Bootstrap, OneGroupHasNoInterval) {
  const auto interval = bootstrap_groups(1, [](auto) { return 0.5; });
  EXPECT_TRUE(std::isnan(interval.low));
  EXPECT_TRUE(std::isnan(interval.high));
}

TEST(Bootstrap, RefusesBadOptions) {
  const auto half = [](std::span<const int64_t>) { return 0.5; };
  EXPECT_THROW(bootstrap_groups(0, half), Error);
  EXPECT_THROW(bootstrap_groups(3, half, {.resamples = 0}), Error);
  EXPECT_THROW(bootstrap_groups(3, half, {.level = 1}), Error);
  EXPECT_THROW(bootstrap_groups(3, [](auto) { return std::numeric_limits<double>::quiet_NaN(); }), Error);
}

TEST(SignFlips, AgreeWithScipy) {
  for (const auto& expected : expected::sign_flips) {
    const bool exact = expected.differences.size() <= 16;
    EXPECT_NEAR(sign_flip_p(expected.differences, 42), expected.p, exact ? 1e-14 : 0.02);
  }
}

TEST(SignFlips, KnowTheirSmallestP) {
  EXPECT_EQ(sign_flip_p(std::vector<double>(10, 0.1), 1), 2.0 / 1024);
  EXPECT_EQ(sign_flip_p(std::vector<double>(10, 0.0), 1), 1);
  EXPECT_EQ(sign_flip_p(std::vector<double>{0.3}, 1), 1);
  EXPECT_EQ(sign_flip_p(std::vector<double>(40, 0.1), 1), 1.0 / 10001);
  EXPECT_THROW(sign_flip_p({}, 1), Error);
}

TEST(Bootstrap, OfARecallDrawsTheSpeakersWhoHaveTheClass) {
  auto speakers = speakers_with(expected::right, expected::clips);
  const auto plain = bootstrap_confusions(speakers, war);  // speakers with clips of class 0 only
  Confusion other(2);
  other.counts = {0, 0, 1, 5};
  speakers.insert(speakers.begin() + 3, other);
  const auto recall = bootstrap_recall(speakers, 0);
  EXPECT_EQ(recall.low, plain.low);
  EXPECT_EQ(recall.high, plain.high);
  EXPECT_TRUE(std::isnan(bootstrap_recall(speakers, 1).low)) << "one speaker";
  EXPECT_TRUE(std::isnan(bootstrap_recall(std::span(speakers).first(3), 1).low)) << "none";
}

TEST(Holm, StepsDownAndStaysInOrder) {
  const auto adjusted = holm(std::vector<double>{0.01, 0.04, 0.03, 0.005});
  const std::vector<double> expected{0.03, 0.06, 0.06, 0.02};  // x3; x1 but no less than the one before; x2; x4
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(adjusted[i], expected[i], 1e-15);
  EXPECT_EQ(holm(std::vector<double>{0.7, 0.6}), (std::vector<double>{1, 1}));
  EXPECT_TRUE(holm({}).empty());
}

TEST(PairedDifferences, AgreeWithScipy) {
  using namespace expected;
  const auto first = speakers_with(paired_first, paired_clips), second = speakers_with(paired_second, paired_clips);
  std::vector<double> differences;
  for (size_t s = 0; s < first.size(); ++s) differences.push_back(war(first[s]) - war(second[s]));
  const auto interval = bootstrap_groups(
      first.size(),
      [&](std::span<const int64_t> times) { return war(pooled(first, times)) - war(pooled(second, times)); },
      {.resamples = 40000});
  const double tolerance = 0.03 * (paired_high - paired_low);
  EXPECT_NEAR(interval.low, paired_low, tolerance);
  EXPECT_NEAR(interval.high, paired_high, tolerance);
  EXPECT_NEAR(sign_flip_p(differences, 42), paired_p, 1e-14);
}

}  // namespace
}  // namespace loralens
