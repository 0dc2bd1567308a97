// SPDX-License-Identifier: Apache-2.0
#include "compute/threads.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace loralens {
namespace {

class Threads : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { at::set_num_threads(GetParam()); }
  void TearDown() override { at::set_num_threads(before_); }
  int before_ = at::get_num_threads();
};

TEST_P(Threads, DoEachIndexOnceInPartsOfTheGrain) {
  for (const int64_t count : {0, 1, 7, 1000})
    for (const int64_t grain : {1, 10, 5000}) {
      std::vector<std::atomic<int>> done(static_cast<size_t>(count));
      std::atomic<int> parts = 0;
      share_among_threads(count, grain, [&](int64_t begin, int64_t end) {
        ++parts;
        for (; begin < end; ++begin) ++done[static_cast<size_t>(begin)];
      });
      for (const auto& times : done) EXPECT_EQ(times, 1);
      EXPECT_LE(parts, count == 0 ? 0 : std::min<int64_t>(GetParam(), (count + grain - 1) / grain));
    }
}

TEST_P(Threads, PassErrorsOn) {
  EXPECT_THROW(share_among_threads(100, 1, [](int64_t, int64_t) { throw std::runtime_error("no memory"); }),
               std::runtime_error);
}

INSTANTIATE_TEST_SUITE_P(Counts, Threads, testing::Values(1, 2, 3));

}  // namespace
}  // namespace loralens
