// SPDX-License-Identifier: Apache-2.0
#include "inference/forward_files.h"

#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "classifier/test_model.h"
#include "inference/predict_files.h"
#include "inference/test_clips.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

// Clips of different lengths, one of them of two windows, and a model.
class ForwardFiles : public testing::Test {
 protected:
  ForwardFiles() {
    const Clips corpus = tone_corpus(folder_, 5);
    for (const Clip& clip : corpus.clips) files_.push_back(clip.path.string());
    files_.insert(files_.begin() + 2, tone_clip(folder_, "long", 400, 31, 1).path.string());
  }
  ForwardResult forward(const std::vector<Site>& sites, const std::vector<SitePatch>& patches = {}) const {
    return forward_files(network_of(model_, base_.encoder), model_.input, {files_, sites, patches, 2});
  }

  TestFolder folder_;
  Base base_ = tiny_base();
  EmotionModel model_ = tiny_model(base_, tiny_adapter("lora"));
  std::vector<std::string> files_;
};

TEST_F(ForwardFiles, LogitsGiveThePredictionsInTheOrderOfTheFiles) {
  const Tensor p = at::softmax(forward({}).logits, 1);
  int64_t row = 0;
  predict_files({model_}, source_of(files_), 1, [&](const FilePrediction& file) {
    for (int64_t c = 0; c < 3; ++c) EXPECT_NEAR(p[row][c].item<double>(), file.probabilities[c], 1e-6) << file.path;
    ++row;
  });
  EXPECT_EQ(row, 6);
}

TEST_F(ForwardFiles, ValuesAreThoseOfEachFile) {
  const ForwardResult result =
      forward({{SiteKind::final_norm}, {SiteKind::pooled}, {SiteKind::adapter_down, 1, Module::fc1}});
  for (size_t i = 0; i < files_.size(); ++i) {
    const Tensor &normed = result.values[0][i], &pooled = result.values[1][i], &down = result.values[2][i];
    EXPECT_EQ(down.sizes(), (std::vector<int64_t>{normed.size(0), 4}));
    EXPECT_LT(difference(normed.mean(0), pooled), 1e-5);
    EXPECT_FALSE(pooled.requires_grad());
  }
  EXPECT_GT(result.values[0][2].size(0), 1500);
  EXPECT_LT(result.values[0][3].size(0), 60);
}

TEST_F(ForwardFiles, PatchesReplaceTheValueOfTheirFile) {
  const Site site{SiteKind::residual_out, 1}, last{SiteKind::residual_out, 2};
  const ForwardResult plain = forward({site, last});
  const ForwardResult patched = forward(
      {site}, {{site, [](const Tensor& value, int64_t file) { return file == 3 ? at::zeros_like(value) : value; }}});
  for (int64_t i = 0; i < 6; ++i) {
    EXPECT_EQ(largest(patched.values[0][i]) == 0, i == 3);
    EXPECT_EQ(same_bits(plain.logits[i], patched.logits[i]), i != 3);
  }
  const ForwardResult again = forward({}, {{last, [&](const Tensor&, int64_t file) { return plain.values[1][file]; }}});
  EXPECT_TRUE(same_bits(plain.logits, again.logits));
}

TEST_F(ForwardFiles, Errors) {
  EXPECT_THAT(error_of([&] { forward({{SiteKind::pattern, 1}}); }), HasSubstr("long.wav: pattern.1 is a value of one"));
  EXPECT_THAT(error_of([&] {
                forward({},
                        {{{SiteKind::mlp_out, 0}, [](const Tensor& value, int64_t) { return value.narrow(0, 0, 1); }}});
              }),
              HasSubstr("the patch of mlp_out.0 gives a tensor of shape 1×16 for one of shape "));
  model_.adapted.adapters.clear();
  EXPECT_THAT(error_of([&] { forward({{SiteKind::adapter_up, 1, Module::fc1}}); }),
              HasSubstr("adapter_up.1.fc1 is no part of this forward pass: there is no adapter"));
  files_[1] = (folder_.path() / "none.wav").string();
  EXPECT_THAT(error_of([&] { forward({}); }), HasSubstr("none.wav"));
  files_.clear();
  EXPECT_THAT(error_of([&] { forward({}); }), HasSubstr("there is no file"));
}

}  // namespace
}  // namespace loralens
