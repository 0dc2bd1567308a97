// SPDX-License-Identifier: Apache-2.0
#include "inference/embed_files.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <gmock/gmock.h>

#include "base/random.h"
#include "classifier/forward.h"
#include "classifier/test_model.h"
#include "inference/packing.h"
#include "inference/test_clips.h"
#include "whisper/site_names.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

class Embed : public testing::Test {
 protected:
  std::vector<FileStates> embed(const std::vector<std::string>& paths) const {
    std::vector<FileStates> all;
    embed_files(embedder_, source_of(paths), 2, [&](const FileStates& file) { all.push_back(file); });
    return all;
  }
  std::string file(const std::string& name, double seconds) const {
    return tone_clip(folder_, name, 400, seconds, hash_of(name)).path.string();
  }
  // The windows of a clip, each passed alone: the value at the site, of all windows (ΣT×width).
  Tensor naive(const std::string& path, const Site& site) const {
    const at::NoGradGuard no_grad;
    struct Seen : Observer {
      Site site;
      Tensor value;
      bool wants(const Site& one) const override { return one == site; }
      void see(const Pass&, const Site&, const Tensor& one, int64_t) override { value = one; }
    } seen;
    seen.site = site;
    Taps taps;
    taps.observers.push_back(&seen);
    std::vector<Tensor> windows;
    const Encoder& encoder = embedder_.encoder;
    for (const Tensor& mel :
         mel_segments(clip_of_id(path), LogMel(80), embedder_.input, window_samples(encoder.config))) {
      Pass pass = pass_of({mel.size(1) / 2});
      pass.taps = &taps;
      finish(encoder, run(encoder, embedder_.adapters, stem(encoder, mel), {0, 3}, pass), pass);
      windows.push_back(seen.value);
    }
    return at::cat(windows);
  }

  TestFolder folder_;
  EmotionModel model_ = tiny_model(tiny_base(), tiny_adapter("lora"));
  Embedder embedder_{.encoder = model_.compute_encoder(),
                     .adapters = model_.adapted.adapters,
                     .head = model_.head,
                     .input = model_.input,
                     .sites = {{SiteKind::residual_in, 0},
                               {SiteKind::heads, 1},
                               {SiteKind::mlp_hidden, 2},
                               {SiteKind::residual_out, 1},
                               {SiteKind::final_norm}}};
};

TEST_F(Embed, MeansAndPositionsAreThoseOfEachClipAlone) {
  std::vector<std::string> paths;
  for (int i = 0; i < 5; ++i) paths.push_back(file(fmt::format("{}", i), 0.3 + 0.2 * i));
  paths.push_back(file("long", 65));
  for (const bool positions : {false, true}) {
    embedder_.positions = positions;
    const auto found = embed(paths);
    ASSERT_EQ(found.size(), paths.size());
    for (size_t i = 0; i < paths.size(); ++i) {
      EXPECT_EQ(found[i].error, "");
      ASSERT_EQ(found[i].states.size(), embedder_.sites.size());
      for (size_t s = 0; s < embedder_.sites.size(); ++s) {
        const Tensor rows = naive(paths[i], embedder_.sites[s]);
        EXPECT_EQ(found[i].positions, rows.size(0));
        const Tensor expected = positions ? rows : rows.to(at::kDouble).mean(0).to(at::kFloat);
        ASSERT_EQ(found[i].states[s].sizes(), expected.sizes());
        EXPECT_LT(difference(found[i].states[s], expected), 1e-5) << text_of(embedder_.sites[s]) << " " << paths[i];
      }
    }
  }
}

TEST_F(Embed, TheHeadsSitesAreThoseOfTheModelsAnswer) {
  embedder_.sites = {{SiteKind::logits}, {SiteKind::pooled}, {SiteKind::final_norm}, {SiteKind::projected}};
  for (const std::string& path : {file("short", 0.4), file("long", 65)}) {
    const auto found = embed({path})[0];
    ASSERT_EQ(found.error, "");
    EXPECT_LT(difference(found.states[1], found.states[2]), 1e-5);  // this head reads the last hidden state
    const at::NoGradGuard no_grad;
    EXPECT_LT(difference(found.states[0], logits(model_.head, found.states[2].unsqueeze(0), {})[0]), 1e-5);
    EXPECT_EQ(found.states[3].size(0), model_.head.projector.weight.size(0));
  }
}

TEST_F(Embed, AWeightedLayerSumIsRead) {
  const EmotionModel weighted = tiny_model(tiny_base(), tiny_adapter("lora"), true);
  embedder_.head = weighted.head;
  embedder_.adapters = weighted.adapted.adapters;
  embedder_.sites = {{SiteKind::pooled}, {SiteKind::residual_in, 0}};
  const auto found = embed({file("a", 0.4)})[0];
  EXPECT_EQ(found.error, "");
  EXPECT_EQ(found.states[0].sizes(), (std::vector<int64_t>{16}));
  EXPECT_GT(difference(found.states[0], found.states[1]), 1e-4);
}

TEST_F(Embed, WithoutAdaptersTheStatesAreTheFrozenEncoders) {
  const std::string path = file("a", 0.4);
  const Tensor adapted = embed({path})[0].states.back();
  embedder_.adapters = {};
  const Tensor frozen = embed({path})[0].states.back();
  EXPECT_GT(difference(adapted, frozen), 1e-3);
  EXPECT_LT(difference(frozen, naive(path, {SiteKind::final_norm}).mean(0)), 1e-5);
}

TEST_F(Embed, ABadFileKeepsItsErrorAndTheOthersGoOn) {
  const std::vector<std::string> paths = {file("a", 0.3), folder_.write("bad.wav", "no audio").string(),
                                          file("b", 0.3)};
  const auto found = embed(paths);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_THAT(found[1].error, HasSubstr("bad.wav"));
  EXPECT_TRUE(found[1].states.empty());
  EXPECT_EQ(found[2].path, paths[2]);
  EXPECT_EQ(found[2].states.size(), embedder_.sites.size());
}

TEST_F(Embed, ASiteThatThePassDoesNotHaveIsAnError) {
  embedder_.sites = {{SiteKind::adapter_up, 0, Module::fc2}};
  embedder_.adapters = {};
  EXPECT_THAT(embed({file("a", 0.3)})[0].error, HasSubstr("no value at adapter_up.0.fc2"));
  embedder_.sites = {Site{SiteKind::logits}};
  embedder_.head.reset();
  EXPECT_THAT(error_of([&] { embed({file("a", 0.3)}); }), HasSubstr("no emotion head"));
}

}  // namespace
}  // namespace loralens
