// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>

#include "analysis/test_fold.h"

namespace loralens {
namespace {

using at::Tensor;

// Replaces some components' outputs in a full forward pass: the naive reference, which reuses no lower layers.
struct TakenOut : Intervention {
  std::map<Site, Tensor> values;
  bool wants(const Site& site) const override { return values.contains(site); }
  Tensor replace(const Pass&, const Site& site, const Tensor& value, int64_t) override {
    return values.at(site).expand_as(value).contiguous();
  }
};

const Tensor nothing = at::zeros({1, 1}, c10::ScalarType::Double);

class ErasureTest : public testing::Test {
 protected:
  explicit ErasureTest(bool weighted_layer_sum = false) : fold_(folder_, weighted_layer_sum) {}

  // {attention_out, mlp_out} sites of a component.
  static std::vector<Site> sites_of(const std::string& component, int64_t layer) {
    std::vector<Site> sites;
    if (component != "mlp") sites.push_back({SiteKind::attention_out, layer});
    if (component != "attention") sites.push_back({SiteKind::mlp_out, layer});
    return sites;
  }

  // C logits when `value(clip, site)` replaces the values at these sites.
  template <typename Value>
  Tensor erased(const Subject& subject, int64_t clip, const std::vector<Site>& sites, Value&& value) const {
    TakenOut out;
    for (const Site& site : sites) out.values[site] = value(clip, site);
    return fold_.see(subject, clip, {&out}).logits;
  }

  // Mean over test clips of {accuracy, loss, confidence}.
  template <typename Logits>
  std::array<double, 3> levels(Logits&& logits) const {
    std::array<double, 3> sums{};
    const double n = static_cast<double>(fold_.subjects.test.size());
    for (const int64_t clip : fold_.subjects.test) {
      const Tensor log_p = at::log_softmax(logits(clip), 0);
      sums[0] += (log_p.argmax().item<int64_t>() == fold_.label(clip)) / n;
      sums[1] -= log_p[fold_.label(clip)].item<double>() / n;
      sums[2] += std::exp(log_p.max().item<double>()) / n;
    }
    return sums;
  }

  void expect_single(const Findings& findings, RowKey key, const std::array<double, 3>& whole,
                     const std::array<double, 3>& without) const {
    const double accuracy = whole[0] - without[0], loss = without[1] - whole[1], confidence = whole[2] - without[2];
    const std::pair<const char*, double> metrics[] = {{"accuracy_drop", accuracy},
                                                      {"loss_increase", loss},
                                                      {"confidence_drop", confidence},
                                                      {"score", accuracy + 0.5 * confidence - 0.1 * loss}};
    for (const auto& [metric, value] : metrics) {
      key.metric = metric;
      EXPECT_NEAR(value_of(findings, key), value, 1e-10)
          << metric << " " << key.component << " " << *key.layer << key.variant;
    }
  }

  void expect_levels(const Findings& findings, RowKey key, const std::array<double, 3>& expected) const {
    const char* metrics[] = {"accuracy", "loss", "confidence"};
    for (size_t i = 0; i < 3; ++i) {
      key.metric = metrics[i];
      EXPECT_NEAR(value_of(findings, key), expected[i], 1e-10) << key.component << " " << key.layer.value_or(-1);
    }
  }

  // Compares every row of one model and variant with full forward passes with `value(clip, site)` at the sites.
  template <typename Value>
  void expect_all(const Findings& findings, Role role, const std::string& variant, Value&& value) const {
    const Subject& subject = fold_.subjects.of(role);
    const std::string model(name_of(role));
    const auto whole = levels([&](int64_t clip) { return fold_.see(subject, clip).logits; });
    expect_levels(findings, {.model = model, .component = "none"}, whole);
    for (const std::string component : {"layer", "attention", "mlp"}) {
      if (fold_.setting.protocol.as_published && component != "layer") continue;
      for (int64_t l = 0; l < 3; ++l)
        expect_single(findings, {.model = model, .variant = variant, .layer = l, .component = component}, whole,
                      levels([&](int64_t clip) { return erased(subject, clip, sites_of(component, l), value); }));
    }
    for (const std::string component : {"first-k", "last-k"}) {
      if (fold_.setting.protocol.as_published && component == "last-k") continue;
      for (int64_t k = 0; k <= 3; ++k) {
        std::vector<Site> sites;
        for (int64_t l = component == "first-k" ? 0 : 3 - k; l < (component == "first-k" ? k : 3); ++l)
          for (const Site& site : sites_of("layer", l)) sites.push_back(site);
        expect_levels(findings, {.model = model, .variant = variant, .layer = k, .component = component},
                      levels([&](int64_t clip) { return erased(subject, clip, sites, value); }));
      }
    }
  }

  // Values of a site at the speech frames of each training clip.
  std::vector<Tensor> training_frames(const Subject& subject, const Site& site) const {
    std::vector<Tensor> clips;
    for (const int64_t clip : fold_.subjects.fit) {
      const auto seen = fold_.see(subject, clip);
      clips.push_back(seen.sites.at(site).narrow(0, 0, seen.speech));
    }
    return clips;
  }

  TestFolder folder_;
  TestFold fold_;
};

TEST_F(ErasureTest, ZeroAblationAgreesWithWholePasses) {
  const Findings findings = fold_.find(make_erasure(fold_.setting));
  for (const Role role : {Role::adapted, Role::frozen})
    expect_all(findings, role, "", [](int64_t, const Site&) { return nothing; });
  // N = 3: ablating a layer or MLP runs the 2 + 1 + 0 layers above; ablating attention runs one more each.
  EXPECT_THAT(findings.notes,
              testing::Contains(testing::HasSubstr("2.00 (attention), 1.00 (first-k), 1.00 (layer), 1.00 (mlp)")));
  EXPECT_EQ(find_row(findings.rows, {.model = "untrained", .component = "none", .metric = "accuracy"}), nullptr);
  EXPECT_NE(find_row(findings.rows, {.model = "adapted-frozen", .layer = 0, .component = "layer", .metric = "score"}),
            nullptr);
}

TEST_F(ErasureTest, AllLayersTakenOutLeaveTheHeadOnTheNormedEmbedding) {
  const Findings findings = fold_.find(make_erasure(fold_.setting));
  const Subject& subject = fold_.subjects.adapted;
  const auto expected = levels([&](int64_t clip) {
    const auto seen = fold_.see(subject, clip);
    return logits(subject.model.head, finish(subject.encoder, seen.x, seen.pass).mean(0, true), {})[0].detach();
  });
  for (const char* component : {"first-k", "last-k"})
    expect_levels(findings, {.model = "adapted", .layer = 3, .component = component}, expected);
}

TEST_F(ErasureTest, MeanAblationAgreesWithWholePasses) {
  const Findings findings = fold_.find(make_erasure(fold_.setting));
  for (const Role role : {Role::adapted, Role::frozen}) {
    std::map<Site, Tensor> means;
    for (int64_t l = 0; l < 3; ++l)
      for (const Site& site : sites_of("layer", l))
        means[site] = at::cat(training_frames(fold_.subjects.of(role), site)).mean(0);
    expect_all(findings, role, "mean-ablation", [&](int64_t, const Site& site) { return means.at(site); });
  }
}

TEST_F(ErasureTest, ResampleAblationAgreesWithWholePasses) {
  const Findings findings = fold_.find(make_erasure(fold_.setting));
  for (const Role role : {Role::adapted, Role::frozen}) {
    std::map<Site, Tensor> banks;  // 512 / 12 = 42 rows of each of 12 clips
    for (int64_t l = 0; l < 3; ++l)
      for (const Site& site : sites_of("layer", l)) {
        std::vector<Tensor> rows;
        const auto clips = training_frames(fold_.subjects.of(role), site);
        for (size_t i = 0; i < clips.size(); ++i)
          for (uint64_t j = 0; j < 42; ++j) {
            const uint64_t frames = static_cast<uint64_t>(clips[i].size(0));
            const uint64_t key = hash_of(fold_.clip(fold_.subjects.fit[i]).id);
            rows.push_back(clips[i][static_cast<int64_t>(hash_of(42, key, j) % frames)]);
          }
        banks[site] = at::stack(rows);
      }
    expect_all(findings, role, "resample-ablation", [&](int64_t clip, const Site& site) {
      std::vector<Tensor> rows;
      const int64_t positions = fold_.see(fold_.subjects.of(role), clip).pass.rows();
      for (int64_t t = 0; t < positions; ++t)
        rows.push_back(
            banks.at(site)[static_cast<int64_t>(hash_of(42, hash_of(fold_.clip(clip).id), site.layer, t) % 504)]);
      return at::stack(rows);
    });
  }
}

TEST_F(ErasureTest, TheMeanOfAConstantIsNoChange) {
  const auto constant = [](Encoder& encoder) {  // attention and MLP output their biases only
    for (EncoderLayer& layer : encoder.layers)
      for (Linear* linear : {&layer.out, &layer.fc2}) linear->weight = at::zeros_like(linear->weight);
  };
  for (Subject* subject : {&fold_.subjects.adapted, &fold_.subjects.frozen}) {
    subject->model.adapted.adapters.clear();
    constant(subject->encoder);
  }
  const Findings findings = fold_.find(make_erasure(fold_.setting));
  int64_t rows = 0;
  for (const Row& row : findings.rows)
    if (row.key.variant != "" && (row.key.metric == "loss_increase" || row.key.metric == "score")) {
      EXPECT_NEAR(row.value, 0, 1e-12) << row.key.variant << row.key.component;
      ++rows;
    }
  EXPECT_EQ(rows, 3 * 2 * 3 * 3 * 2) << "three models, two variants, components, layers, metrics";
  EXPECT_GT(
      std::abs(value_of(findings, {.model = "frozen", .layer = 0, .component = "layer", .metric = "loss_increase"})),
      1e-3)
      << "which zero ablation is";
}

struct ErasureOfWeightedSumTest : ErasureTest {
  ErasureOfWeightedSumTest() : ErasureTest(true) {}
};

TEST_F(ErasureOfWeightedSumTest, TheHeadReadsTheErasedStream) {
  const Findings findings = fold_.find(make_erasure(fold_.setting));
  expect_all(findings, Role::adapted, "", [](int64_t, const Site&) { return nothing; });
}

TEST_F(ErasureTest, PaperErasesWholeLayersOnSomeOfTheClips) {
  fold_.setting.protocol = paper_protocol;
  fold_.setting.erasure_clips = 5;
  Findings findings = fold_.find(make_erasure(fold_.setting));
  std::vector<int64_t> drawn = fold_.subjects.test;
  Random(42).shuffle(drawn);
  drawn.resize(5);
  fold_.subjects.test = drawn;
  expect_all(findings, Role::adapted, "", [](int64_t, const Site&) { return nothing; });
  for (const Row& row : findings.rows) {
    EXPECT_EQ(row.n, 5);
    EXPECT_EQ(row.fold, 0);
    EXPECT_EQ(row.key.model, "adapted");
    EXPECT_EQ(row.key.variant, "");
    EXPECT_THAT(row.key.component, testing::AnyOf("none", "layer", "first-k"));
  }
}

TEST_F(ErasureTest, WithoutTrainingClipsOnlyZeroAblation) {
  fold_.subjects.fit.clear();
  const Findings findings = fold_.find(make_erasure(fold_.setting));
  EXPECT_THAT(findings.notes, testing::Contains(testing::HasSubstr("no mean and no resample ablation")));
  for (const Row& row : findings.rows) EXPECT_EQ(row.key.variant, "");
}

}  // namespace
}  // namespace loralens
