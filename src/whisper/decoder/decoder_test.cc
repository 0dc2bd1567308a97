// SPDX-License-Identifier: Apache-2.0
// The decoder with its caches against a naive one that computes all positions at once.
#include "whisper/decoder/decoder.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "whisper/decoder/test_decoder.h"
#include "whisper/test_whisper.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

Tensor wide(const Tensor& x) { return x.defined() ? x.to(c10::ScalarType::Double) : x; }
Tensor naive_linear(const Linear& layer, const Tensor& x) {
  return at::linear(x, wide(layer.weight), wide(layer.bias));
}
Tensor naive_norm(const Norm& norm, const Tensor& x) {
  return at::layer_norm(x, {x.size(-1)}, wide(norm.weight), wide(norm.bias), 1e-5);
}

// Attention with a mask: q L×D, k and v S×D.
Tensor naive_attention(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads, bool causal) {
  const auto split = [&](const Tensor& x) { return x.view({x.size(0), heads, -1}).transpose(0, 1); };
  Tensor scores = at::matmul(split(q), split(k).transpose(1, 2)) / std::sqrt(static_cast<double>(q.size(1) / heads));
  if (causal) scores = scores.masked_fill(at::ones({q.size(0), k.size(0)}, c10::ScalarType::Bool).triu(1), -INFINITY);
  return at::matmul(at::softmax(scores, -1), split(v)).transpose(0, 1).reshape(q.sizes());
}

// Logits after each of a clip's tokens, without a cache, in float64: L×V. states: T×D.
Tensor naive_logits(const Decoder& decoder, const Tensor& states, const std::vector<int64_t>& tokens) {
  const int64_t heads = decoder.config.heads, count = std::ssize(tokens);
  Tensor x = wide(decoder.tokens).index_select(0, at::tensor(tokens)) + wide(decoder.positions).narrow(0, 0, count);
  for (const DecoderLayer& l : decoder.layers) {
    Tensor in = naive_norm(l.attention_norm, x);
    x = x + naive_linear(l.out, naive_attention(naive_linear(l.q, in), naive_linear(l.k, in), naive_linear(l.v, in),
                                                heads, true));
    in = naive_norm(l.cross_norm, x);
    x = x +
        naive_linear(l.cross_out, naive_attention(naive_linear(l.cross_q, in), naive_linear(l.cross_k, wide(states)),
                                                  naive_linear(l.cross_v, wide(states)), heads, false));
    in = naive_norm(l.mlp_norm, x);
    x = x + naive_linear(l.fc2, at::gelu(naive_linear(l.fc1, in)));
  }
  return at::matmul(naive_norm(decoder.norm, x), wide(decoder.tokens).t());
}

// Logits after each token with the cache: B×L×V. tokens: of each clip.
Tensor cached_logits(const Decoder& decoder, const Tensor& states, const std::vector<std::vector<int64_t>>& tokens) {
  DecoderCache cache(decoder, states);
  std::vector<Tensor> steps;
  for (size_t step = 0; step < tokens[0].size(); ++step) {
    std::vector<int64_t> next;
    for (const auto& clip : tokens) next.push_back(clip[step]);
    steps.push_back(token_logits(decoder, advance(decoder, cache, next)));
  }
  return at::stack(steps, 1);
}

const std::vector<std::vector<int64_t>> three_texts = {
    {33, 34, 36, 38, 1, 2, 3, 4, 5, 6}, {33, 35, 36, 38, 7, 7, 7, 0, 31, 2}, {33, 34, 37, 38, 9, 8, 7, 6, 5, 4}};

TEST(DecoderTest, EachStepEqualsAFullPassWithoutCache) {
  const Decoder decoder = tiny_decoder(in_double);
  const Tensor states = random_tensor({3, 11, 16}, 5);
  const Tensor found = cached_logits(decoder, states, three_texts);
  for (int64_t clip = 0; clip < 3; ++clip)
    EXPECT_LT(difference(found[clip], naive_logits(decoder, states[clip], three_texts[clip])), 1e-12);
}

// Heads of 64, for which there are kernels; more tokens than the cache has room for at first.
TEST(DecoderTest, KernelsAgreeWithFloat64) {
  const DecoderConfig config{
      .width = 128, .layers = 2, .heads = 2, .mlp_width = 256, .positions = 80, .vocabulary = 99};
  std::vector<std::vector<int64_t>> texts(2);
  for (int64_t i = 0; i < 70; ++i) {
    texts[0].push_back(i * 7 % 99);
    texts[1].push_back(98 - i);
  }
  for (const auto& [type, tolerance] : {std::pair{c10::ScalarType::Float, 2e-6}, {c10::ScalarType::BFloat16, 0.02}}) {
    const Decoder decoder = random_decoder(config, {type, c10::ScalarType::Float});
    const Tensor states = random_tensor({2, 100, 128}, 5).to(c10::ScalarType::Float);
    const Tensor found = cached_logits(decoder, states, texts);
    for (int64_t clip = 0; clip < 2; ++clip)
      EXPECT_LT(difference(found[clip], naive_logits(decoder, states[clip], texts[clip])), tolerance);
  }
}

TEST(DecoderTest, LaterTokensAndOtherClipsDoNotChangeAClip) {
  const Decoder decoder = tiny_decoder();
  const Tensor states = random_tensor({3, 11, 16}, 5).to(c10::ScalarType::Float);
  auto others = three_texts;
  for (auto& clip : others) std::fill(clip.begin() + 6, clip.end(), 11);
  const Tensor first = cached_logits(decoder, states, three_texts), second = cached_logits(decoder, states, others);
  EXPECT_TRUE(same_bits(first.narrow(1, 0, 6), second.narrow(1, 0, 6)));
  EXPECT_FALSE(same_bits(first, second));
  const Tensor alone = cached_logits(decoder, states.narrow(0, 1, 1), {three_texts[1]});
  EXPECT_LT(difference(alone[0], first[1]), 1e-6);
}

TEST(DecoderTest, AClipThatIsRemovedLeavesTheOthers) {
  const Decoder decoder = tiny_decoder(in_double);
  const Tensor states = random_tensor({3, 11, 16}, 5);
  DecoderCache cache(decoder, states);
  for (size_t step = 0; step < 4; ++step)
    advance(decoder, cache, std::vector{three_texts[0][step], three_texts[1][step], three_texts[2][step]});
  cache.remove(0);  // clip 2 takes its place
  ASSERT_EQ(cache.clips(), 2);
  const Tensor found =
      token_logits(decoder, advance(decoder, cache, std::vector{three_texts[2][4], three_texts[1][4]}));
  for (const auto& [place, clip] : {std::pair{0, 2}, {1, 1}}) {
    const std::vector<int64_t> tokens(three_texts[clip].begin(), three_texts[clip].begin() + 5);
    EXPECT_LT(difference(found[place], naive_logits(decoder, states[clip], tokens)[4]), 1e-12);
  }
  cache.remove(1);
  cache.remove(0);
  EXPECT_EQ(cache.clips(), 0);
}

TEST(DecoderTest, RefusesTokensOutsideTheVocabularyAndTheContext) {
  const Decoder decoder = tiny_decoder();
  DecoderCache cache(decoder, random_tensor({1, 3, 16}, 1).to(c10::ScalarType::Float));
  EXPECT_THAT(error_of([&] { advance(decoder, cache, std::vector<int64_t>{40}); }), HasSubstr("no token 40"));
  EXPECT_THAT(error_of([&] { advance(decoder, cache, std::vector<int64_t>{-1}); }), HasSubstr("no token -1"));
  for (int i = 0; i < 20; ++i) advance(decoder, cache, std::vector<int64_t>{1});
  EXPECT_THAT(error_of([&] { advance(decoder, cache, std::vector<int64_t>{1}); }), HasSubstr("20 positions"));
}

class DecoderFiles : public testing::Test {
 protected:
  // Writes a whole tiny Whisper, whose tensors `change` may alter.
  Path write(const std::function<void(Tensors&)>& change = [](Tensors&) {}) const {
    write_whisper(folder_.path());
    write_file(folder_.path() / "config.json", tiny_whisper_json().dump());
    Tensors tensors;
    Decoder decoder = tiny_decoder();
    visit_tensors(decoder, [&](const std::string& name, Tensor& tensor, std::vector<int64_t>) {
      tensors["model." + name] = tensor;
    });
    change(tensors);
    write_safetensors(folder_.path() / "model.safetensors", tensors);
    return folder_.path();
  }
  std::string complaint(const std::function<void(Tensors&)>& change) const {
    return error_of([&] { load_decoder(write(change)); });
  }
  static std::string complaint(const char* key, const nlohmann::json& value) {
    nlohmann::json json = tiny_whisper_json();
    json[key] = value;
    return error_of([&] { decoder_config(json, "c.json"); });
  }

  TestFolder folder_;
};

TEST_F(DecoderFiles, LoadingGivesTheTensorsInTheirTypes) {
  Decoder loaded = load_decoder(write(), {c10::ScalarType::BFloat16, c10::ScalarType::Float});
  Decoder expected = tiny_decoder({c10::ScalarType::BFloat16, c10::ScalarType::Float});
  std::map<std::string, Tensor> tensors;
  visit_tensors(loaded, [&](const std::string& name, Tensor& tensor, std::vector<int64_t>) { tensors[name] = tensor; });
  EXPECT_EQ(tensors.size(), 2u + 2 * 24 + 2);
  visit_tensors(expected, [&](const std::string& name, Tensor& tensor, std::vector<int64_t>) {
    EXPECT_TRUE(same_bits(tensors.at(name), tensor)) << name;
  });
}

TEST_F(DecoderFiles, ErrorsNameTheTensor) {
  const std::string name = "model.decoder.layers.1.encoder_attn.v_proj.weight";
  EXPECT_THAT(complaint([](Tensors& t) { t = {{"model.encoder.conv1.bias", at::ones({16})}}; }),
              HasSubstr("no decoder"));
  EXPECT_THAT(complaint([&](Tensors& t) { t.erase(name); }),
              HasSubstr("layers.1.encoder_attn.v_proj.weight is missing"));
  EXPECT_THAT(complaint([&](Tensors& t) { t[name] = at::ones({16, 15}); }), HasSubstr("[16, 15]"));
  EXPECT_THAT(complaint([&](Tensors& t) { t[name][0][0] = NAN; }), HasSubstr("NaN"));
  EXPECT_THAT(complaint([&](Tensors& t) { t["model.decoder.layers.2.fc1.bias"] = t[name]; }),
              HasSubstr("layers.2.fc1"));
}

TEST_F(DecoderFiles, ErrorsNameTheValueOfTheConfig) {
  EXPECT_THAT(complaint("decoder_layers", nullptr), HasSubstr("decoder_layers"));
  EXPECT_THAT(complaint("decoder_attention_heads", 3), HasSubstr("3 heads"));
  EXPECT_THAT(complaint("vocab_size", 0), HasSubstr("vocab_size"));
  EXPECT_THAT(complaint("scale_embedding", true), HasSubstr("scale_embedding"));
  EXPECT_THAT(complaint("tie_word_embeddings", false), HasSubstr("tie_word_embeddings"));
}

}  // namespace
}  // namespace loralens
