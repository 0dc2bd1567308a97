// SPDX-License-Identifier: Apache-2.0
#include "statistics/tsne/similarities.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "statistics/neighbours.h"
#include "statistics/test_points.h"

namespace loralens {
namespace {

// The dense n×n matrix, with 0 where no value is stored. Also checks the invariants of Similarities.
at::Tensor dense(const Similarities& p) {
  const size_t n = p.points();
  at::Tensor full = at::full({static_cast<int64_t>(n), static_cast<int64_t>(n)}, 0.0, c10::ScalarType::Double);
  double* values = full.mutable_data_ptr<double>();
  for (size_t i = 0; i < n; ++i)
    for (size_t at = p.begin[i]; at < p.begin[i + 1]; ++at) {
      const auto j = static_cast<size_t>(p.others[at]);
      EXPECT_LT(j, n);
      EXPECT_NE(j, i);
      EXPECT_GT(p.values[at], 0);
      EXPECT_TRUE(at == p.begin[i] || p.others[at] > p.others[at - 1]);
      values[i * n + j] = static_cast<double>(p.values[at]);
    }
  return full;
}

// Reference from the definition: bisection of each Gaussian's precision on a logarithmic scale, over the `k` nearest.
at::Tensor naive(const at::Tensor& x, double perplexity, int64_t k) {
  const at::Tensor squares = squared_distances(x);
  const int64_t n = x.size(0);
  at::Tensor conditional = at::zeros_like(squares);
  for (int64_t i = 0; i < n; ++i) {
    const double own = -1;  // sorts the point itself first
    at::Tensor row = squares[i].clone();
    row[i] = own;
    const at::Tensor far = row > std::get<0>(row.sort())[k].item<double>();
    double low = -20, high = 20;
    for (int step = 0; step < 200; ++step) {
      at::Tensor p = (-squares[i] * std::exp((low + high) / 2)).exp().masked_fill(far, 0.0);
      p[i] = 0.0;
      p = p / p.sum();
      conditional[i] = p;
      const double entropy = -(p * (p + 1e-300).log()).sum().item<double>();
      (entropy > std::log(perplexity) ? low : high) = (low + high) / 2;
    }
  }
  return (conditional + conditional.t()) / static_cast<double>(2 * n);
}

TEST(Similarities, AreThoseOfTheDefinition) {
  for (const auto& [n, perplexity, k] :
       {std::tuple<int64_t, double, int64_t>{20, 6, 19}, {20, 8, 19}, {70, 5.4, 17}, {50, 2, 7}}) {
    const at::Tensor x = test_points(n, 4, 2, 0.5, 9).x;
    const at::Tensor found = dense(similarities(x, perplexity, 2)), expected = naive(x, perplexity, k);
    EXPECT_LT((found - expected).abs().max().item<double>(), 1e-5 * expected.max().item<double>()) << n;
    EXPECT_EQ((found - found.t()).abs().max().item<double>(), 0);
    EXPECT_NEAR(found.sum().item<double>(), 1, 1e-6);
  }
}

// All distances are equal, or the perplexity demands all points: all neighbours get the same similarity.
TEST(Similarities, AreEqualWherePointsOrNumbersLeaveNoChoice) {
  const at::Tensor same = at::full({20, 3}, 0.7, c10::ScalarType::Double), x = test_points(20, 4, 2, 0.5, 9).x;
  for (const auto& [points, perplexity] : {std::pair{same, 19.0}, {x, 19.0}, {x, 19.99}, {same, 7.0}}) {
    const Similarities p = similarities(points, perplexity, 1);
    ASSERT_EQ(p.values.size(), 380u);
    // 19 neighbours reach the entropy log 19 only in an infinitely wide Gaussian; the bisection stops at a distance of
    // 1e-5 from that entropy.
    for (const float value : p.values) EXPECT_NEAR(value, 1.0 / 380, 0.02 / 380);
  }
  const Similarities few = similarities(same, 2, 1);  // 7 of 19 equal neighbours
  EXPECT_NEAR(std::accumulate(few.values.begin(), few.values.end(), 0.0), 1, 1e-6);
  for (const float value : few.values) EXPECT_TRUE(value > 0 && value <= 1.01f / 140) << value;
}

// Perplexity 1: nearly all the weight of a point is on its nearest neighbour.
TEST(Similarities, OfPerplexityOneAreTheNearestPoint) {
  at::Tensor x = at::full({4, 1}, 0.0, c10::ScalarType::Double);
  x[1][0] = 1.0;
  x[2][0] = 100.0;
  x[3][0] = 102.0;
  const at::Tensor p = dense(similarities(x, 1, 1));
  EXPECT_NEAR(p[0][1].item<double>(), 0.25, 1e-5);
  EXPECT_NEAR(p[2][3].item<double>(), 0.25, 1e-5);
  EXPECT_NEAR(p.sum().item<double>(), 1, 1e-5);
}

// 80 copies of one point, far more than its 3·10 + 1 neighbours, and 40 distant points.
TEST(Similarities, OfEqualPointsAreEqual) {
  at::Tensor x = test_points(120, 3, 2, 2, 4).x;
  x.narrow(0, 0, 80).fill_(50.0);
  const at::Tensor p = dense(similarities(x, 10, 1));
  EXPECT_NEAR(p.sum().item<double>(), 1, 1e-6);
  EXPECT_EQ(p.narrow(0, 0, 80).narrow(1, 80, 40).max().item<double>(), 0);
  const at::Tensor among = p.narrow(0, 0, 80).narrow(1, 0, 80) * (31 * 240.0);  // 0; 1 or 2 for neighbours
  EXPECT_LT((among - among.round()).abs().max().item<double>(), 1e-5);
  EXPECT_LT(among.max().item<double>(), 2.1);
}

}  // namespace
}  // namespace loralens
