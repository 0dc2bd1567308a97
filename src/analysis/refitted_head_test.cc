// SPDX-License-Identifier: Apache-2.0
#include "analysis/refitted_head.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "statistics/normal_values.h"

namespace loralens {
namespace {

using at::Tensor;

// Three classes around means of their own, in 6 dimensions of very different size; and noise alone for `signal` 0.
LogisticSamples some_clips(int64_t n, double signal, uint64_t seed) {
  const Tensor labels = at::arange(n, c10::ScalarType::Long).remainder(3);
  const Tensor means = normal_values({3, 6}, 1) * signal;
  const Tensor sizes = at::arange(1, 7, c10::ScalarType::Double).square();
  return {(means.index_select(0, labels) + normal_values({n, 6}, seed)) * sizes, labels, {}, 3};
}

std::set<size_t> first(size_t count) {
  std::set<size_t> numbers;
  for (size_t i = 0; i < count; ++i) numbers.insert(i);
  return numbers;
}

double accuracy(const RefittedHead& head, const LogisticSamples& clips) {
  return head.logits(clips.x).argmax(1).eq(clips.labels).to(c10::ScalarType::Double).mean().item<double>();
}

TEST(RefittedHead, ReadsWhatIsThere) {
  const RefittedHead head = fit_refitted_head(some_clips(120, 3, 2), first(40));
  EXPECT_GT(accuracy(head, some_clips(600, 3, 3)), 0.9);
  EXPECT_LT(head.l2, 1);
}

TEST(RefittedHead, TakesTheLargestPenaltyOfNoiseAndReadsNothing) {
  const RefittedHead head = fit_refitted_head(some_clips(120, 0, 2), first(40));
  EXPECT_EQ(head.l2, 10);
  EXPECT_NEAR(accuracy(head, some_clips(3000, 0, 3)), 1.0 / 3, 4 * 0.0086);
}

TEST(RefittedHead, IsFittedOnAllClips) {
  const LogisticSamples clips = some_clips(60, 1, 4);
  const RefittedHead head = fit_refitted_head(clips, first(20), {0.1});
  const LogisticFit all = fit_standardised_logistic(clips, 0.1);
  EXPECT_EQ((head.fit.weight - all.weight).abs().max().item<double>(), 0);
  EXPECT_THROW(fit_refitted_head(clips, {}), Error);
  EXPECT_THROW(fit_refitted_head(clips, first(60)), Error);
}

TEST(RefittedHead, IsChosenOnWholeSpeakers) {
  const std::vector<std::string> groups = {"a", "b", "a", "c", "b", "c", "d", "a", "d"};
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto chosen = held_out_clips(groups, seed);
    EXPECT_GE(3 * chosen.size(), groups.size());
    EXPECT_LE(chosen.size(), 5u);
    for (size_t i = 0; i < groups.size(); ++i)
      for (size_t j = 0; j < groups.size(); ++j)
        EXPECT_TRUE(groups[i] != groups[j] || chosen.contains(i) == chosen.contains(j));
  }
  EXPECT_EQ(held_out_clips({"a", "a", "a"}, 1).size(), 1u);
  EXPECT_THAT(held_out_clips({"a"}, 1), testing::IsEmpty());
  EXPECT_THAT(held_out_clips({}, 1), testing::IsEmpty());
  EXPECT_EQ(held_out_clips({"a", "b"}, 1).size(), 1u);
}

}  // namespace
}  // namespace loralens
