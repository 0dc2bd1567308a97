// SPDX-License-Identifier: Apache-2.0
#include "analysis/clip_file.h"

#include "analysis/test_fold.h"
#include "base/error.h"

namespace loralens {
namespace {

using at::Tensor;

TEST(ClipFile, KeepsMatricesOfAnyType) {
  ClipFile file;
  const Tensor first = random_tensor({6, 3}, 1), second = random_tensor({5, 4}, 2).to(c10::ScalarType::BFloat16);
  const auto one = file.append(first), two = file.append(second.t());
  EXPECT_TRUE(same_bits(file.rows(one, 2, 3), first.narrow(0, 2, 3)));
  EXPECT_TRUE(same_bits(file.rows(two, 0, 4), second.t()));
  EXPECT_EQ(file.bytes(), 6 * 3 * 8 + 5 * 4 * 2);
  EXPECT_THROW(file.rows(two, 1, 9), Error);
}

}  // namespace
}  // namespace loralens
