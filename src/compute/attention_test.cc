// SPDX-License-Identifier: Apache-2.0
// Compares attention and its gradients with a reference, softmax(q kᵀ / √K) v in float64.
#include "compute/attention.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <numeric>

#include "compute/test_tensors.h"

namespace loralens {
namespace {

using at::Tensor;

struct Inputs {
  Tensor q, k, v, cotangent;  // ΣT×D, float64
};

// Random values that the type represents exactly, so that the float64 reference gets the same inputs.
Inputs inputs(const std::vector<int64_t>& lengths, int64_t width, c10::ScalarType type, double scale = 1) {
  const int64_t rows = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  const auto draw = [&](uint64_t seed, double by) {
    return random_tensor({rows, width}, seed, by).to(type).to(c10::ScalarType::Double);
  };
  return {draw(1, scale), draw(2, scale), draw(3, 1), draw(4, 1)};
}

Tensor naive(const Inputs& in, int64_t heads, const std::vector<int64_t>& lengths) {
  std::vector<Tensor> outputs;
  int64_t row = 0;
  for (const int64_t positions : lengths) {
    const auto split = [&](const Tensor& x) {
      return x.narrow(0, row, positions).view({positions, heads, -1}).transpose(0, 1);
    };
    const double scale = 1 / std::sqrt(static_cast<double>(in.q.size(1) / heads));
    const Tensor weights = at::softmax(at::matmul(split(in.q), split(in.k).transpose(1, 2)) * scale, -1);
    outputs.push_back(at::matmul(weights, split(in.v)).transpose(0, 1).reshape({positions, -1}));
    row += positions;
  }
  return at::cat(outputs);
}

struct Results {
  Tensor out;
  std::vector<Tensor> gradients;  // of q, k, v
};

template <typename Attention>
Results results(const Inputs& in, c10::ScalarType type, const Attention& attention) {
  const auto leaf = [&](const Tensor& x) { return x.to(type).clone().requires_grad_(); };
  const Inputs leaves{leaf(in.q), leaf(in.k), leaf(in.v), {}};
  const Tensor out = attention(leaves);
  return {out.detach(), torch::autograd::grad({out}, {leaves.q, leaves.k, leaves.v}, {in.cotangent.to(type)})};
}

void expect_agreement(const std::vector<int64_t>& lengths, int64_t heads, int64_t width, c10::ScalarType type,
                      double tolerance, double scale = 1) {
  const Inputs in = inputs(lengths, width, type, scale);
  const auto found = results(in, type, [&](const Inputs& i) { return attention(i.q, i.k, i.v, heads, lengths); });
  const auto wanted = results(in, c10::ScalarType::Double, [&](const Inputs& i) { return naive(i, heads, lengths); });
  EXPECT_LT(difference(found.out, wanted.out), tolerance);
  for (size_t i = 0; i < 3; ++i) {
    const double size = std::max(largest(wanted.gradients[i]), 1.0);  // with one position, those of q and k are 0
    EXPECT_LT(largest(found.gradients[i].to(c10::ScalarType::Double) - wanted.gradients[i]) / size, tolerance)
        << "qkv"[i] << " of " << lengths[0];
  }
}

TEST(Attention, AgreesWithFloat64InFloat32) {
  for (const int64_t positions : {1, 2, 5, 6, 7, 15, 16, 17, 63, 64, 65, 129, 240})
    expect_agreement({positions}, 2, 128, c10::ScalarType::Float, 3e-6);
  expect_agreement({1500}, 1, 64, c10::ScalarType::Float, 3e-6);
}

TEST(Attention, AgreesWithFloat64InBfloat16) {
  for (const int64_t positions : {1, 2, 5, 6, 7, 15, 16, 17, 63, 64, 65, 129, 240})
    expect_agreement({positions}, 2, 128, c10::ScalarType::BFloat16, 0.012);
  expect_agreement({1500}, 1, 64, c10::ScalarType::BFloat16, 0.012);
}

// Scores of up to a few hundred, so that one position gets all the weight.
TEST(Attention, SharpWeights) {
  expect_agreement({70, 33}, 2, 128, c10::ScalarType::Float, 2e-5, 6);
  expect_agreement({70, 33}, 2, 128, c10::ScalarType::BFloat16, 0.02, 4);
}

TEST(Attention, OtherHeadWidths) { expect_agreement({5, 5, 3, 20}, 2, 16, c10::ScalarType::Float, 3e-6); }

// The case in which only v_proj of the lowest layer is adapted.
TEST(Attention, GradientAtTheValuesAlone) {
  for (const auto type : {c10::ScalarType::Float, c10::ScalarType::BFloat16}) {
    const std::vector<int64_t> lengths{70, 33};
    const Inputs in = inputs(lengths, 128, type);
    const auto all = results(in, type, [&](const Inputs& i) { return attention(i.q, i.k, i.v, 2, lengths); });
    const Tensor v = in.v.to(type).clone().requires_grad_();
    const Tensor out = attention(in.q.to(type), in.k.to(type), v, 2, lengths);
    EXPECT_TRUE(same_bits(torch::autograd::grad({out}, {v}, {in.cotangent.to(type)})[0], all.gradients[2]));
  }
}

TEST(Attention, SegmentDoesNotDependOnItsNeighbours) {
  for (const auto type : {c10::ScalarType::Float, c10::ScalarType::BFloat16}) {
    const std::vector<int64_t> lengths{30, 100, 30, 7};
    const Inputs in = inputs(lengths, 128, type);
    const auto part = [&](const Tensor& x) { return x.narrow(0, 30, 100); };
    const auto all = results(in, type, [&](const Inputs& i) { return attention(i.q, i.k, i.v, 2, lengths); });
    const std::vector<int64_t> one{100};
    const auto alone = results({part(in.q), part(in.k), part(in.v), part(in.cotangent)}, type,
                               [&](const Inputs& i) { return attention(i.q, i.k, i.v, 2, one); });
    EXPECT_TRUE(same_bits(part(all.out), alone.out));
    for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(same_bits(part(all.gradients[i]), alone.gradients[i]));
  }
}

// NaN must propagate, so that a broken model is noticed.
TEST(Attention, NotANumberStaysOne) {
  for (const auto type : {c10::ScalarType::Float, c10::ScalarType::BFloat16}) {
    Inputs in = inputs({20}, 64, type);
    in.k[3].fill_(NAN);
    const std::vector<int64_t> lengths{20};
    const auto found = results(in, type, [&](const Inputs& i) { return attention(i.q, i.k, i.v, 1, lengths); });
    EXPECT_TRUE(found.out.isnan().all().item<bool>());
    EXPECT_TRUE(found.gradients[0].isnan().all().item<bool>());
  }
}

}  // namespace
}  // namespace loralens
