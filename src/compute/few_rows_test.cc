// SPDX-License-Identifier: Apache-2.0
// Compares the layers of a decoder with LibTorch's in float64.
#include "compute/few_rows.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "compute/kernel_tensors.h"
#include "compute/test_tensors.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr auto fp32 = c10::ScalarType::Float, bf16 = c10::ScalarType::BFloat16, fp64 = c10::ScalarType::Double;

// Whether a kernel of this project computes beside weights of this type; LibTorch rounds x and the result to the type.
bool has_kernel(c10::ScalarType type) {
  return type == fp32 ? decoding_kernels<float>() != nullptr : decoding_kernels<uint16_t>() != nullptr;
}
double tolerance(c10::ScalarType type) { return type == fp32 || has_kernel(type) ? 2e-6 : 0.01; }

// Rows in tiles of three with one and two left over; columns in groups of four with one to three left over; inputs that
// are no multiple of 16, which use LibTorch.
TEST(FewRows, LinearAgreesWithFloat64) {
  for (const auto type : {fp32, bf16})
    for (const int64_t rows : {1, 2, 3, 4, 8, 16})
      for (const auto& [in, out] : {std::pair<int64_t, int64_t>{16, 5}, {64, 4}, {512, 7}, {2048, 33}, {24, 6}}) {
        const Tensor x = random_tensor({rows, in}, 1).to(fp32), weight = random_tensor({out, in}, 2).to(type);
        for (const Tensor& bias : {Tensor(), random_tensor({out}, 3).to(type)}) {
          const Tensor wanted = at::linear(x.to(fp64), weight.to(fp64), bias.defined() ? bias.to(fp64) : bias);
          EXPECT_LT(difference(linear_of_few_rows(x, weight, bias), wanted), in % 16 ? 0.02 : tolerance(type))
              << rows << " " << in << " " << out;
        }
      }
}

TEST(FewRows, ARowDependsNeitherOnTheOthersNorOnTheThreads) {
  for (const auto type : {fp32, bf16}) {
    if (!has_kernel(type)) continue;  // LibTorch's sums depend on the number of rows
    const Tensor x = random_tensor({8, 512}, 1).to(fp32), weight = random_tensor({1003, 512}, 2).to(type);
    const Tensor all = linear_of_few_rows(x, weight, {});
    at::set_num_threads(3);
    EXPECT_TRUE(same_bits(linear_of_few_rows(x, weight, {}), all));
    at::set_num_threads(1);
    for (const int64_t row : {0, 4, 7})
      EXPECT_TRUE(same_bits(linear_of_few_rows(x.narrow(0, row, 1), weight, {}), all.narrow(0, row, 1)));
  }
}

// Keys and values are views of a cache that has room for more positions.
TEST(FewRows, AttentionAgreesWithFloat64) {
  for (const auto type : {fp32, bf16})
    for (const int64_t width : {64, 8})  // 8: LibTorch
      for (const int64_t positions : {1, 2, 15, 16, 257, 1500}) {
        const int64_t clips = 3, heads = 2;
        const auto draw = [&](uint64_t seed) {
          return random_tensor({clips, heads, positions + 9, width}, seed).to(type).narrow(2, 0, positions);
        };
        const Tensor q = 2 * random_tensor({clips, heads * width}, 1).to(fp32), k = draw(2), v = draw(3);
        const Tensor query = q.to(fp64).view({clips, heads, 1, width}) / std::sqrt(static_cast<double>(width));
        const Tensor weights = at::softmax(at::matmul(query, k.to(fp64).transpose(2, 3)), -1);
        const Tensor wanted = at::matmul(weights, v.to(fp64)).view({clips, heads * width});
        EXPECT_LT(difference(attend_one_query(q, k, v), wanted), width == 64 || type == fp32 ? tolerance(type) : 0.02)
            << positions << " " << width;
      }
}

TEST(FewRows, LargeScoresDoNotOverflow) {
  const Tensor q = at::zeros({1, 64}, fp32) + 1000, k = random_tensor({1, 1, 40, 64}, 1).to(fp32),
               v = random_tensor({1, 1, 40, 64}, 2).to(fp32);
  const int64_t best = k.sum(3).argmax().item<int64_t>();
  EXPECT_LT(difference(attend_one_query(q, k, v), v.select(2, best).view({1, 64})), 1e-6);
}

}  // namespace
}  // namespace loralens
