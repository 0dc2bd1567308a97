// SPDX-License-Identifier: Apache-2.0
#include "results/compare.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/test_folder.h"
#include "statistics/intervals/student.h"
#include "statistics/jackknife.h"

namespace loralens {
namespace {

using testing::HasSubstr;

// Five speakers with four clips each, three in fold 0 and two in fold 1. wrong: for each speaker, how many clips are
// predicted wrongly.
std::vector<Prediction> predictions_with(const std::vector<int64_t>& wrong) {
  std::vector<Prediction> predictions;
  for (int64_t speaker = 0; speaker < 5; ++speaker)
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t truth = i % 2, guess = i < wrong[speaker] ? 1 - truth : truth;
      predictions.push_back({fmt::format("{}-{}", speaker, i),
                             fmt::format("s{}", speaker),
                             truth ? "b" : "a",
                             speaker / 3,
                             truth,
                             guess,
                             {0.5, 0.5}});
    }
  return predictions;
}

TEST(Compare, PoolsClipsAndPairsSpeakers) {
  const auto better = predictions_with({0, 0, 2, 0, 0}), worse = predictions_with({2, 0, 4, 2, 2});
  const auto found = compare_results(better, worse, 2, 42);
  EXPECT_EQ(found.at("folds"), 2);
  EXPECT_EQ(found.at("speakers"), 5);
  const auto& war = found.at("war");  // folds gain 1/3 and 1/2, speakers 1/2, 0, 1/2, 1/2, 1/2
  EXPECT_EQ(war.at("estimand"), "pooled");
  EXPECT_NEAR(war.at("difference").get<double>(), 0.4, 1e-15);
  EXPECT_EQ(war.at("p"), 0.125);
  const double half = student_t(0.95, 4) * 0.1;  // standard error of the five speakers' differences
  EXPECT_NEAR(war.at("low").get<double>(), 0.4 - half, 1e-9);
  EXPECT_NEAR(war.at("high").get<double>(), 0.4 + half, 1e-9);
  EXPECT_NEAR(war.at("detectable").get<double>(), detectable_difference(0.1, 4), 1e-9);
  EXPECT_TRUE(war.at("equivalence").is_null() || war.at("equivalence").at("low") < war.at("equivalence").at("high"));
  EXPECT_NEAR(war.at("fold_mean").get<double>(), 5.0 / 12, 1e-15);
  EXPECT_NEAR(war.at("fold_std").get<double>(), std::sqrt(0.5) / 6, 1e-12);
  const auto back = compare_results(worse, better, 2, 42);
  EXPECT_NEAR(back.at("war").at("difference").get<double>(), -0.4, 1e-15);
  EXPECT_EQ(back.at("uar").at("p"), found.at("uar").at("p"));
}

TEST(Compare, EqualRunsHaveNoIntervalAndSayWhy) {
  const auto run = predictions_with({1, 0, 2, 0, 1});
  const auto found = compare_results(run, run, 2, 42).at("uar");
  EXPECT_EQ(found.at("difference"), 0);
  EXPECT_TRUE(found.at("low").is_null() && found.at("p").is_null());
  EXPECT_THAT(found.at("reason").get<std::string>(), HasSubstr("contribute the same"));
  EXPECT_EQ(found.at("p_folds"), 1);
}

TEST(Compare, NeedsTheSameClipsInTheSameFolds) {
  const auto run = predictions_with({1, 0, 2, 0, 1});
  auto other = run;
  std::swap(other[0], other[9]);
  EXPECT_TRUE(same_clips(run, other)) << "in any order";
  other[9].fold = 1;
  EXPECT_FALSE(same_clips(run, other));
  EXPECT_THAT(error_of([&] { compare_results(run, other, 2, 42); }), HasSubstr("same folds"));
  EXPECT_FALSE(same_clips(run, std::span(run).first(15)));
}

TEST(Compare, PairsFoldsByTheirOrder) {
  const auto better = predictions_with({0, 0, 2, 0, 0}), worse = predictions_with({2, 0, 4, 2, 2});
  auto numbered = worse;
  for (Prediction& p : numbered) p.fold += 3;
  EXPECT_TRUE(same_clips(better, numbered));
  EXPECT_EQ(compare_results(better, numbered, 2, 42), compare_results(better, worse, 2, 42));
}

}  // namespace
}  // namespace loralens
