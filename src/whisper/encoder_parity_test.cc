// SPDX-License-Identifier: Apache-2.0
// Parity with transformers' WhisperEncoder on real weights: the residual stream of every layer.
#include "whisper/encoder.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "whisper/test_parity.h"

namespace loralens {
namespace {

// Records the residual stream before the first and after each layer, and the output of the final norm.
class States : public Observer {
 public:
  bool wants(const Site& site) const override {
    return (site.kind == SiteKind::residual_in && site.layer == 0) || site.kind == SiteKind::residual_out ||
           site.kind == SiteKind::final_norm;
  }
  void see(const Pass&, const Site&, const at::Tensor& value, int64_t) override { seen.push_back(value); }

  std::vector<at::Tensor> seen;  // N+2 of ΣT×D
};

void compare(const std::string& model, double bound) {
  const at::NoGradGuard no_grad;
  const Safetensors oracle(oracle_folder / fmt::format("encoder-{}.safetensors", model));
  const Encoder encoder = load_encoder(resolve_model(model)).encoder;
  auto [x, pass] = stems(encoder, numbered(oracle, "mel"));
  States states;
  Taps taps;
  taps.observers = {&states};
  pass.taps = &taps;
  finish(encoder, run(encoder, {}, x, {0, encoder.config.layers}, pass), pass);

  const auto expected = numbered(oracle, "states");  // the oracle ran one clip at a time
  ASSERT_EQ(expected.size(), pass.lengths.size());
  ASSERT_EQ(std::ssize(states.seen), encoder.config.layers + 2);
  for (size_t s = 0; s < states.seen.size(); ++s) {
    const auto clips = states.seen[s].split_with_sizes(pass.lengths);
    double worst = 0;
    for (size_t i = 0; i < clips.size(); ++i) {
      const at::Tensor reference = expected[i].select(0, static_cast<int64_t>(s));
      ASSERT_EQ(clips[i].sizes(), reference.sizes());
      worst = std::max(worst, relative_error(clips[i], reference));
    }
    show(fmt::format("{}, state {}: largest relative error", model, s), worst);
    EXPECT_LE(worst, bound) << "state " << s;
  }
}

TEST(EncoderParity, EveryStateOfTinyEnEqualsTransformers) { compare("tiny.en", 1e-5); }

TEST(EncoderParity, EveryStateOfBaseEqualsTransformers) { compare("base", 1e-5); }

// Observing the pattern site makes attention unfused; the encoder output must not change.
TEST(EncoderParity, UnfusedAttentionEqualsTransformers) {
  const at::NoGradGuard no_grad;
  struct Patterns : Observer {
    bool wants(const Site& site) const override { return site.kind == SiteKind::pattern; }
    void see(const Pass&, const Site&, const at::Tensor&, int64_t) override { ++seen; }
    int64_t seen = 0;
  } patterns;
  const Safetensors oracle(oracle_folder / "encoder-tiny.en.safetensors");
  const Encoder encoder = load_encoder(resolve_model("tiny.en")).encoder;
  auto [x, pass] = stems(encoder, {oracle.read("0.mel"), oracle.read("1.mel"), oracle.read("2.mel")});
  Taps taps;
  taps.observers = {&patterns};
  pass.taps = &taps;
  x = finish(encoder, run(encoder, {}, x, {0, encoder.config.layers}, pass), pass);
  EXPECT_EQ(patterns.seen, encoder.config.layers * 3);
  const auto clips = x.split_with_sizes(pass.lengths);
  for (size_t i = 0; i < clips.size(); ++i)
    EXPECT_LE(relative_error(clips[i], oracle.read(fmt::format("{}.states", i)).select(0, -1)), 1e-5);
}

}  // namespace
}  // namespace loralens
