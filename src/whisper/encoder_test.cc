// SPDX-License-Identifier: Apache-2.0
#include "whisper/encoder.h"

#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include "base/test_folder.h"
#include "whisper/test_encoder.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

constexpr LayerRange all_layers{0, 3};

// ---- A naive reference encoder, with loops over numbers

using Matrix = std::vector<std::vector<double>>;  // rows × columns

Matrix numbers(const Tensor& x) {
  Matrix rows(static_cast<size_t>(x.size(0)), std::vector<double>(static_cast<size_t>(x.numel() / x.size(0))));
  const Tensor flat = x.to(c10::ScalarType::Double).contiguous();
  const double* value = flat.const_data_ptr<double>();
  for (auto& row : rows)
    for (double& number : row) number = *value++;
  return rows;
}

std::vector<double> vector_of(const Tensor& x, size_t size) {
  return x.defined() ? numbers(x.view({1, -1}))[0] : std::vector<double>(size);
}

double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }

Matrix naive_linear(const Linear& linear, const Matrix& x) {
  const Matrix weight = numbers(linear.weight);
  const auto bias = vector_of(linear.bias, weight.size());
  Matrix y(x.size(), bias);
  for (size_t t = 0; t < x.size(); ++t)
    for (size_t o = 0; o < weight.size(); ++o)
      for (size_t i = 0; i < x[t].size(); ++i) y[t][o] += weight[o][i] * x[t][i];
  return y;
}

Matrix naive_norm(const Norm& norm, Matrix x) {
  const auto weight = vector_of(norm.weight, 0), bias = vector_of(norm.bias, 0);
  for (auto& row : x) {
    double mean = 0, variance = 0;
    for (const double value : row) mean += value / static_cast<double>(row.size());
    for (const double value : row) variance += (value - mean) * (value - mean) / static_cast<double>(row.size());
    for (size_t d = 0; d < row.size(); ++d) row[d] = (row[d] - mean) / std::sqrt(variance + 1e-5) * weight[d] + bias[d];
  }
  return x;
}

Matrix naive_attention(const Matrix& q, const Matrix& k, const Matrix& v, size_t heads) {
  const size_t width = q[0].size() / heads;
  Matrix out(q.size(), std::vector<double>(q[0].size()));
  for (size_t h = 0; h < heads; ++h)
    for (size_t t = 0; t < q.size(); ++t) {
      std::vector<double> weight(k.size());
      double sum = 0;
      for (size_t s = 0; s < k.size(); ++s) {
        for (size_t c = h * width; c < (h + 1) * width; ++c) weight[s] += q[t][c] * k[s][c];
        sum += weight[s] = std::exp(weight[s] / std::sqrt(static_cast<double>(width)));
      }
      for (size_t s = 0; s < k.size(); ++s)
        for (size_t c = h * width; c < (h + 1) * width; ++c) out[t][c] += weight[s] / sum * v[s][c];
    }
  return out;
}

void add(Matrix& x, const Matrix& y) {
  for (size_t t = 0; t < x.size(); ++t)
    for (size_t d = 0; d < x[t].size(); ++d) x[t][d] += y[t][d];
}

Matrix naive_layer(const EncoderLayer& layer, Matrix x, size_t heads) {
  const Matrix in = naive_norm(layer.attention_norm, x);
  const Matrix read =
      naive_attention(naive_linear(layer.q, in), naive_linear(layer.k, in), naive_linear(layer.v, in), heads);
  add(x, naive_linear(layer.out, read));
  Matrix hidden = naive_linear(layer.fc1, naive_norm(layer.mlp_norm, x));
  for (auto& row : hidden)
    for (double& value : row) value = gelu(value);
  add(x, naive_linear(layer.fc2, hidden));
  return x;
}

// Convolution with kernel size 3 and zero padding of 1, then GELU. x: positions × in.
Matrix naive_convolution(const Linear& conv, const Matrix& x, size_t stride) {
  const Matrix weight = numbers(conv.weight);  // out × (in·3)
  const auto bias = vector_of(conv.bias, 0);
  Matrix y;
  for (size_t t = 0; t < x.size(); t += stride) {
    y.push_back(bias);
    for (size_t o = 0; o < bias.size(); ++o) {
      for (size_t i = 0; i < x[0].size(); ++i)
        for (size_t k = 0; k < 3; ++k)
          if (t + k >= 1 && t + k - 1 < x.size()) y.back()[o] += weight[o][3 * i + k] * x[t + k - 1][i];
      y.back()[o] = gelu(y.back()[o]);
    }
  }
  return y;
}

double largest_error(const Tensor& a, const Matrix& b) {
  const Matrix values = numbers(a);
  double worst = 0;
  for (size_t t = 0; t < b.size(); ++t)
    for (size_t d = 0; d < b[t].size(); ++d) worst = std::max(worst, std::abs(values.at(t).at(d) - b[t][d]));
  return worst;
}

TEST(Encoder, IsWhatTheLoopsSay) {
  const Encoder encoder = tiny_encoder(in_double);
  const Tensor mel = random_tensor({80, 14}, 3);
  Matrix expected =
      naive_convolution(encoder.conv2, naive_convolution(encoder.conv1, numbers(mel.transpose(0, 1)), 1), 2);
  add(expected, numbers(encoder.positions.narrow(0, 0, 7)));
  Tensor x = stem(encoder, mel);
  EXPECT_LT(largest_error(x, expected), 1e-12);
  const Pass pass = pass_of({7});
  for (size_t l = 0; l < 3; ++l) {
    x = run(encoder, {}, x, {static_cast<int64_t>(l), static_cast<int64_t>(l) + 1}, pass);
    expected = naive_layer(encoder.layers[l], expected, 2);
    EXPECT_LT(largest_error(x, expected), 1e-12) << "layer " << l;
  }
  EXPECT_LT(largest_error(finish(encoder, x, pass), naive_norm(encoder.norm, expected)), 1e-12);
}

TEST(Encoder, StemTakesAnEvenNumberOfFramesThatFit) {
  const Encoder encoder = tiny_encoder();
  for (const int64_t frames : {0, 1, 7, 3002})
    EXPECT_THAT(error_of([&] { stem(encoder, at::zeros({80, frames})); }), HasSubstr("an even number up to 3000"));
  EXPECT_EQ(stem(encoder, at::zeros({80, 3000})).sizes(), (std::vector<int64_t>{1500, 16}));
}

// ---- Packed rows of several clips

Tensor through(const Encoder& encoder, const Tensor& x, const Pass& pass) {
  return finish(encoder, run(encoder, {}, x, all_layers, pass), pass);
}

class Rows : public testing::TestWithParam<Precision> {
 protected:
  Encoder encoder_ = tiny_encoder(GetParam());
  double tolerance_ = GetParam().compute == c10::ScalarType::Double ? 1e-12 : 1e-5;

  Tensor rows(int64_t positions, uint64_t seed) const {
    return random_tensor({positions, 16}, seed).to(GetParam().sums);
  }
};

TEST_P(Rows, AClipDoesNotSeeItsNeighbours) {
  // Includes adjacent clips of equal length, which fused attention processes together.
  const std::vector<int64_t> lengths = {40, 3, 3, 3, 40, 1, 17, 17, 200};
  std::vector<Tensor> clips;
  for (size_t i = 0; i < lengths.size(); ++i) clips.push_back(rows(lengths[i], 10 + i));
  const Tensor together = through(encoder_, at::cat(clips), pass_of(lengths));
  const auto parts = together.split_with_sizes(lengths);
  for (size_t i = 0; i < lengths.size(); ++i)
    EXPECT_LT(difference(parts[i], through(encoder_, clips[i], pass_of({lengths[i]}))), tolerance_) << "clip " << i;
}

TEST_P(Rows, AClipDependsOnAllItsPositions) {
  Tensor x = rows(20, 1);
  const Tensor before = through(encoder_, x, pass_of({12, 8}));
  x[15][3] += 1;
  const Tensor change = (through(encoder_, x, pass_of({12, 8})) - before).abs().sum(1);
  EXPECT_EQ(largest(change.narrow(0, 0, 12)), 0);
  EXPECT_GT(change.narrow(0, 12, 8).min().item<double>(), 0);
}

TEST_P(Rows, EqualNeighboursGiveWhatOthersBetweenThemGive) {
  const Tensor a = rows(9, 1), b = rows(9, 2), c = rows(4, 3);
  const Tensor grouped = through(encoder_, at::cat({a, b, c}), pass_of({9, 9, 4}));
  const Tensor apart = through(encoder_, at::cat({a, c, b}), pass_of({9, 4, 9}));
  EXPECT_LT(difference(at::cat({apart.narrow(0, 0, 9), apart.narrow(0, 13, 9), apart.narrow(0, 9, 4)}), grouped),
            tolerance_);
}

TEST_P(Rows, APassStartsAndStopsAtAnyLayer) {
  const Tensor x = rows(30, 1);
  const Pass pass = pass_of({13, 17});
  const Tensor whole = run(encoder_, {}, x, all_layers, pass);
  for (int64_t k = 0; k <= 3; ++k)
    EXPECT_TRUE(same_bits(run(encoder_, {}, run(encoder_, {}, x, {0, k}, pass), {k, 3}, pass), whole)) << k;
  EXPECT_TRUE(same_bits(run(encoder_, {}, x, {2, 2}, pass), x));
}

INSTANTIATE_TEST_SUITE_P(Precisions, Rows, testing::Values(in_float, in_double), [](const auto& info) {
  return info.param.sums == c10::ScalarType::Double ? "float64" : "float32";
});

// ---- Precision

TEST(Encoder, Float32AgreesWithFloat64) {
  const Tensor x = random_tensor({120, 16}, 5);
  const Pass pass = pass_of({50, 70});
  const Tensor exact = through(tiny_encoder(in_double), x, pass);
  EXPECT_LT(difference(through(tiny_encoder(in_float), x.to(c10::ScalarType::Float), pass), exact), 2e-6);
}

TEST(Encoder, Bfloat16ProductsKeepAFloat32Residual) {
  const Tensor x = random_tensor({120, 16}, 5);
  const Pass pass = pass_of({50, 70});
  const Encoder encoder = tiny_encoder({c10::ScalarType::BFloat16, c10::ScalarType::Float});
  EXPECT_EQ(encoder.layers[0].fc1.weight.scalar_type(), c10::ScalarType::BFloat16);
  EXPECT_EQ(encoder.norm.weight.scalar_type(), c10::ScalarType::Float);
  const Tensor out = run(encoder, {}, x.to(c10::ScalarType::Float), all_layers, pass);
  EXPECT_EQ(out.scalar_type(), c10::ScalarType::Float);
  const double error = difference(out, run(tiny_encoder(in_double), {}, x, all_layers, pass));
  EXPECT_LT(error, 0.03);  // bfloat16 has 8 significant bits
  EXPECT_GT(error, 1e-5);
}

// To avoid overflow in float16, a layer's output is clamped to 1,000 below the largest float16, as in transformers:
// 64,504, which rounds to 64,512.
TEST(Encoder, Float16ResidualStaysInRange) {
  Encoder encoder = tiny_encoder();
  encoder.layers[0].fc2.bias.fill_(60000);
  encoder = convert(encoder, {c10::ScalarType::Half, c10::ScalarType::Half}, c10::kCPU);
  const Tensor x = random_tensor({6, 16}, 1).add(10000).to(c10::ScalarType::Half);
  const Tensor out = run(encoder, {}, x, {0, 1}, pass_of({6}));
  EXPECT_EQ(largest(out), 64512);
}

}  // namespace
}  // namespace loralens
