// SPDX-License-Identifier: Apache-2.0
#include "statistics/nearest.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/test_folder.h"
#include "statistics/test_points.h"

namespace loralens {
namespace {

// Reference: all other points sorted by distance, then by number.
std::vector<int32_t> naive(const at::Tensor& x, size_t i, size_t k, std::vector<double>& squares) {
  const auto n = static_cast<size_t>(x.size(0)), d = static_cast<size_t>(x.size(1));
  const double* values = x.const_data_ptr<double>();
  squares.assign(n, 0);
  for (size_t j = 0; j < n; ++j)
    for (size_t f = 0; f < d; ++f) {
      const double difference = values[i * d + f] - values[j * d + f];
      squares[j] += difference * difference;
    }
  std::vector<int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  order.erase(order.begin() + static_cast<std::ptrdiff_t>(i));
  std::ranges::stable_sort(order, {}, [&](int32_t j) { return squares[j]; });
  order.resize(k);
  std::ranges::sort(order);
  return order;
}

// The larger n needs more than one block of distances.
TEST(Nearest, AreThoseOfAFullSort) {
  for (const auto& [n, k] : {std::pair<int64_t, int64_t>{2, 1}, {30, 29}, {60, 7}, {2300, 5}}) {
    const at::Tensor x = test_points(n, 5, 3, 2, 21).x + 100;
    const Nearest found = nearest(x, k, 2);
    ASSERT_EQ(found.k, k);
    ASSERT_EQ(std::ssize(found.numbers), n * k);
    std::vector<double> squares;
    for (size_t i = 0; i < static_cast<size_t>(n); i += n > 1000 ? 41 : 1) {
      const auto expected = naive(x, i, static_cast<size_t>(k), squares);
      for (size_t j = 0; j < expected.size(); ++j) {
        const size_t at = i * static_cast<size_t>(k) + j;
        ASSERT_EQ(found.numbers[at], expected[j]) << n << " " << i;
        ASSERT_NEAR(found.squares[at], squares[expected[j]], 1e-12);
      }
    }
  }
}

TEST(Nearest, OfEqualDistancesTheLowerNumberIsNearer) {
  at::Tensor x = at::zeros({9, 2}, c10::ScalarType::Double);
  x[4][0] = 1.0;
  const Nearest found = nearest(x, 2, 1);
  EXPECT_EQ(std::vector<int32_t>(found.numbers.begin(), found.numbers.begin() + 10),
            (std::vector<int32_t>{1, 2, 0, 2, 0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(found.squares[0], 0);
  EXPECT_EQ(found.squares[8], 1);
}

TEST(Nearest, RefusesWhatHasNoNeighbours) {
  const at::Tensor x = test_points(6, 2, 1, 1, 3).x;
  EXPECT_EQ(error_of([&] { nearest(x, 6, 1); }), "6 points do not have 6 neighbours each");
  EXPECT_THROW(nearest(x, 0, 1), Error);
  EXPECT_THROW(nearest(x[0], 1, 1), Error);
  EXPECT_THROW(nearest(x / 0.0, 1, 1), Error);
  EXPECT_THROW(nearest(x * 1e160, 1, 1), Error);
}

}  // namespace
}  // namespace loralens
