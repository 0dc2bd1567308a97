// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include "analysis/concepts/test_planted.h"
#include "statistics/leace.h"

namespace loralens {
namespace {

using at::Tensor;
using ::testing::Contains;
using ::testing::HasSubstr;

// Erases at one site.
struct Erased : Intervention {
  Site site;
  Eraser eraser;
  Erased(const Site& site, Eraser eraser) : site(site), eraser(std::move(eraser)) {}
  bool wants(const Site& seen) const override { return seen == site; }
  Tensor replace(const Pass&, const Site&, const Tensor& value, int64_t) override { return eraser(value); }
};

class ConceptErasureTest : public testing::Test {
 protected:
  ConceptErasureTest() { fold_.setting.clips = &clips_; }
  void find() { findings_ = fold_.find(make_erasure_of_concepts(fold_.setting)); }
  double value(const char* name, const char* variant, int64_t layer, const char* metric = "log_probability") const {
    return value_of(findings_,
                    {.model = "adapted", .variant = variant, .layer = layer, .component = name, .metric = metric});
  }
  double intact() const {
    return value_of(findings_,
                    {.model = "adapted", .variant = "intact", .component = "emotion", .metric = "log_probability"});
  }
  // The head reads one dimension of the last layer for each class.
  void read_first_dimensions() {
    Tensor weight = at::zeros({3, 16}, c10::ScalarType::Double);
    for (int64_t c = 0; c < 3; ++c) weight[c][c] = 3;
    const auto type = weight.options();
    fold_.subjects.adapted.model.head = {.projector = {weight, at::zeros({3}, type)},
                                         .classifier = {at::eye(3, type), at::zeros({3}, type)}};
  }
  // The emotion in the dimensions that the head reads, the gender in another one.
  Tensor emotion_and_gender(int64_t clip) const {
    return unit_vector(fold_.label(clip), 8) + unit_vector(8, clips_.clips[clip].gender == "female" ? 2 : -2);
  }

  TestFolder folder_;
  TestFold fold_{folder_};
  Clips clips_ = described_clips(fold_);
  Findings findings_;
};

TEST_F(ConceptErasureTest, TheUsedConceptCostsAndTheUnusedOneDoesNotThoughAProbeReadsIt) {
  plant(fold_, 1, [&](int64_t clip) { return emotion_and_gender(clip); });
  read_first_dimensions();
  find();
  EXPECT_LT(value("emotion", "change", 1), -1);
  EXPECT_LT(value("emotion", "permuted-excess", 1), -0.5);
  EXPECT_LT(value("emotion", "random-subspace-excess", 1), -0.5);
  EXPECT_LT(value("emotion", "", 1, "uar"), 0.7);
  EXPECT_EQ(value_of(findings_, {.model = "adapted", .variant = "intact", .component = "gender", .metric = "uar"}), 1);
  EXPECT_NEAR(value("gender", "change", 1), 0, 0.05);
  EXPECT_EQ(value("gender", "", 1, "uar"), 1);
  EXPECT_EQ(value("gender", "", 1, "rank"), 1);
  EXPECT_EQ(value("emotion", "", 1, "rank"), 2);
  const Findings probes = fold_.find(make_probes(fold_.setting));
  EXPECT_EQ(value_of(probes, {.model = "adapted", .layer = 1, .component = "gender", .metric = "uar"}), 1);
}

TEST_F(ConceptErasureTest, IsAnInterventionAtEveryPositionFittedOnTrainingClips) {
  find();
  for (const int64_t layer : {0, 1}) {
    const Site site{SiteKind::residual_out, layer};
    PositionMoments moments;
    std::vector<Tensor> means;
    std::vector<int64_t> labels;
    for (const int64_t clip : fold_.subjects.fit) {
      const auto seen = fold_.see(fold_.subjects.adapted, clip);
      const Tensor speech = seen.sites.at(site).narrow(0, 0, seen.speech);
      moments.add(speech);
      means.push_back(speech.mean(0));
      labels.push_back(fold_.label(clip));
    }
    Erased erased(site, Whitening(moments).leace(class_covariance(at::stack(means), labels, 3, moments.samples())));
    double sum = 0;
    for (const int64_t clip : fold_.subjects.test)
      sum += at::log_softmax(fold_.see(fold_.subjects.adapted, clip, {&erased}).logits, 0)[fold_.label(clip)]
                 .item<double>();
    EXPECT_NEAR(value("emotion", "", layer), sum / 8, 1e-9);
    EXPECT_NEAR(value("emotion", "change", layer), sum / 8 - intact(), 1e-9);
    EXPECT_NE(sum / 8, intact());
  }
}

TEST_F(ConceptErasureTest, ExcessesAndStandardErrorsFollowFromTheDraws) {
  find();
  for (const char* name : {"emotion", "speaker", "gender", "text"})
    for (int64_t layer = -1; layer < 2; ++layer)
      for (const std::string null : {"permuted", "random-subspace"}) {
        EXPECT_NEAR(value(name, (null + "-excess").c_str(), layer),
                    value(name, "", layer) - value(name, null.c_str(), layer), 1e-12);
        EXPECT_GT(value(name, (null + "-standard-error").c_str(), layer), 0);
        EXPECT_GE(value(name, null.c_str(), layer, "uar"), 0);
      }
}

TEST_F(ConceptErasureTest, WithoutTrainingClipsNothingIsErased) {
  fold_.subjects.fit.clear();
  find();
  EXPECT_TRUE(findings_.rows.empty());
  EXPECT_THAT(findings_.notes, Contains(HasSubstr("no training clips")));
}

}  // namespace
}  // namespace loralens
