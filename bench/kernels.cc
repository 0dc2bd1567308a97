// SPDX-License-Identifier: Apache-2.0
// Micro-benchmarks of the most expensive operations: matrix products, attention, log-mel, Gram matrices, t-SNE.
// loralens_bench [CLIP] [--benchmark_...]: CLIP is the audio file of the log-mel, 2.6 s of noise if none is given.
// OMP_NUM_THREADS sets the threads of the products; log-mel takes one.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "audio/decode.h"
#include "audio/log_mel.h"
#include "base/error.h"
#include "base/random.h"
#include "compute/attention.h"
#include "compute/linear.h"
#include "statistics/cka.h"
#include "statistics/normal_values.h"
#include "statistics/tsne/tsne.h"

namespace loralens {
namespace {

using at::Tensor;

// Operations a second, as the counter `flops`.
void set_rate(benchmark::State& state, double operations) {
  state.counters["flops"] =
      benchmark::Counter(operations * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

Tensor values(at::IntArrayRef shape, c10::ScalarType type, uint64_t seed) {
  return normal_values(shape, seed).to(type);
}

// rows×in by in×out. If all three are 2048, this measures the peak; else it is a linear layer of Whisper base on 8
// clips of 4.8 s.
void products(benchmark::State& state, c10::ScalarType type, Tensor (*product)(const Tensor& x, const Tensor& weight)) {
  const int64_t rows = state.range(0), in = state.range(1), out = state.range(2);
  const Tensor x = values({rows, in}, type, 1), weight = values({out, in}, type, 2);
  for (auto _ : state) benchmark::DoNotOptimize(product(x, weight));
  set_rate(state, 2.0 * static_cast<double>(rows * in * out));
}

constexpr int64_t heads = 8, head_width = 64;  // of Whisper base

Tensor libtorch_attention(const Tensor& q, const Tensor& k, const Tensor& v, const std::vector<int64_t>& lengths) {
  const auto split = [&](const Tensor& x) {
    return x.view({std::ssize(lengths), -1, heads, head_width}).transpose(1, 2);
  };
  return at::scaled_dot_product_attention(split(q), split(k), split(v));
}

Tensor our_attention(const Tensor& q, const Tensor& k, const Tensor& v, const std::vector<int64_t>& lengths) {
  return attention(q, k, v, heads, lengths);
}

// clips×positions of the arguments.
void attentions(benchmark::State& state, c10::ScalarType type, decltype(&our_attention) attend) {
  const int64_t clips = state.range(0), positions = state.range(1), width = heads * head_width;
  const Tensor q = values({clips * positions, width}, type, 1), k = values({clips * positions, width}, type, 2),
               v = values({clips * positions, width}, type, 3);
  const std::vector<int64_t> lengths(static_cast<size_t>(clips), positions);
  for (auto _ : state) benchmark::DoNotOptimize(attend(q, k, v, lengths));
  set_rate(state, 4.0 * static_cast<double>(width * clips * positions * positions));
}

void log_mel(benchmark::State& state, const std::vector<float>& samples) {
  const LogMel mel(80);
  for (auto _ : state) benchmark::DoNotOptimize(mel(samples));
}

// clips×features, as the published alignment flattens them
void gram_matrix(benchmark::State& state) {
  const Tensor x = values({state.range(0), state.range(1)}, c10::ScalarType::Float, 1);
  for (auto _ : state) benchmark::DoNotOptimize(gram(x));
  set_rate(state, 2.0 * static_cast<double>(state.range(0) * state.range(0) * state.range(1)));
}

// Ten clusters in 32 dimensions; bench/peers/tsne.py makes the same.
Tensor clusters(int64_t n) {
  Tensor x = at::empty({n, 32}, c10::ScalarType::Double);
  double* value = x.mutable_data_ptr<double>();
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < 32; ++j) {
      const auto wave = [](double a) { return std::fmod(std::abs(std::sin(a)) * 43758.5453, 1.0) - 0.5; };
      *value++ = 2 * wave(12.9898 * static_cast<double>(i % 10) + 78.233 * static_cast<double>(j)) +
                 wave(39.3467 * static_cast<double>(i) + 11.1353 * static_cast<double>(j));
    }
  return x;
}

void tsne_whole(benchmark::State& state) {
  const Tensor x = clusters(state.range(0));
  TsneOptions options;
  options.threads = at::get_num_threads();
  double divergence = 0;
  for (auto _ : state) divergence = tsne(x, options).divergence;
  state.counters["divergence"] = divergence;
}

void add_benchmarks(const std::vector<float>& samples) {
  constexpr auto fp32 = c10::ScalarType::Float, bf16 = c10::ScalarType::BFloat16;
  for (const auto& [suffix, type] : {std::pair{"fp32", fp32}, std::pair{"bf16", bf16}}) {
    const auto add_products = [&](const std::string& whose, auto* product) {
      benchmark::RegisterBenchmark(fmt::format("{}product-{}", whose, suffix).c_str(), products, type, product)
          ->Args({2048, 2048, 2048})
          ->Args({1920, 512, 512})
          ->Args({1920, 512, 2048})
          ->Args({1920, 2048, 512})
          ->UseRealTime();
    };
    const auto add_attentions = [&](const std::string& whose, auto* attend) {
      benchmark::RegisterBenchmark(fmt::format("{}attention-{}", whose, suffix).c_str(), attentions, type, attend)
          ->Args({8, 240})
          ->Args({8, 1500})
          ->UseRealTime();
    };
    add_products("", +[](const Tensor& x, const Tensor& weight) { return loralens::linear(x, weight, Tensor()); });
    add_products("libtorch-", +[](const Tensor& x, const Tensor& weight) { return at::linear(x, weight); });
    add_attentions("", our_attention);
    add_attentions("libtorch-", libtorch_attention);
  }
  benchmark::RegisterBenchmark("log-mel", log_mel, samples)->UseRealTime();
  benchmark::RegisterBenchmark("log-mel-padded", log_mel, padded_samples(samples))->UseRealTime();
  benchmark::RegisterBenchmark("gram", gram_matrix)->Args({40, 48'000})->UseRealTime();
  benchmark::RegisterBenchmark("tsne", tsne_whole)
      ->Arg(200)
      ->Arg(1000)
      ->Arg(2000)
      ->Arg(5000)
      ->Arg(10'000)
      ->Iterations(1)
      ->UseRealTime();
}

std::vector<float> noise(double seconds) {
  Random random(1);
  std::vector<float> samples(static_cast<size_t>(std::llround(seconds * sample_rate)));
  for (float& sample : samples) sample = static_cast<float>(0.1 * random.normal());
  return samples;
}

}  // namespace
}  // namespace loralens

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const at::NoGradGuard no_grad;
  try {
    loralens::add_benchmarks(argc > 1 ? loralens::load_audio(argv[1]).samples : loralens::noise(2.6));
  } catch (const loralens::Error& error) {
    fmt::print(stderr, "loralens_bench: {}\n", error.what());
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
}
