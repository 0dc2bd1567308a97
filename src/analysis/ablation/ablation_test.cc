// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/equal.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>

#include "analysis/ablation/replaced_factors.h"
#include "analysis/ablation/test_layers.h"
#include "checkpoint/safetensors.h"
#include "statistics/intervals/pooled_interval.h"

namespace loralens {
namespace {

using at::Tensor;

class AblationTest : public testing::Test {
 protected:
  // The adapted model with the adapters of these layers only.
  Subject with_layers(LayerSet set) const { return only_layers(fold_.subjects.adapted, set); }
  // A whole pass of one clip: the naive reference.
  Tensor log_p(const Subject& subject, int64_t clip) const {
    return at::log_softmax(fold_.see(subject, clip).logits, 0);
  }
  double mean_log_p(const Subject& subject) const {
    double sum = 0;
    for (const int64_t clip : fold_.subjects.test) sum += log_p(subject, clip)[fold_.label(clip)].item<double>();
    return sum / static_cast<double>(fold_.subjects.test.size());
  }
  double uar_of(const Subject& subject, const std::string& without = "") const {
    Confusion confusion(3);
    for (const int64_t clip : fold_.subjects.test)
      if (fold_.clip(clip).speaker != without)
        confusion.add(fold_.label(clip), log_p(subject, clip).argmax().item<int64_t>());
    return uar(confusion);
  }
  // The mean over the orders of three layers of what `layer` adds to `value`.
  static double share(int64_t layer, const std::function<double(LayerSet)>& value) {
    std::vector<int64_t> order = {0, 1, 2};
    double sum = 0;
    do {
      LayerSet before = 0;
      for (size_t i = 0; order[i] != layer; ++i) before |= LayerSet{1} << order[i];
      sum += (value(before | LayerSet{1} << layer) - value(before)) / 6;
    } while (std::ranges::next_permutation(order).found);
    return sum;
  }

  double value(const std::string& component, std::optional<int64_t> layer, const std::string& metric) const {
    return value_of(findings_, {.model = "adapted", .layer = layer, .component = component, .metric = metric});
  }
  void find() { findings_ = fold_.find(make_ablation(fold_.setting)); }
  // Expects every row that is the value of one set to be `naive(set)`.
  void expect_sets(const std::string& metric, const std::function<double(LayerSet)>& naive) const {
    for (int64_t l = 0; l < 3; ++l) {
      EXPECT_NEAR(value("only", l, metric), naive(LayerSet{1} << l), 1e-9) << metric << l;
      EXPECT_NEAR(value("all-but", l, metric), naive(7 & ~(LayerSet{1} << l)), 1e-9) << metric << l;
      EXPECT_NEAR(value("shapley", l, metric), share(l, naive), 1e-9) << metric << l;
    }
    for (int64_t k = 0; k <= 3; ++k) {
      EXPECT_NEAR(value("first-k", k, metric), naive((LayerSet{1} << k) - 1), 1e-9) << metric << k;
      EXPECT_NEAR(value("last-k", k, metric), naive(7 & ~((LayerSet{1} << (3 - k)) - 1)), 1e-9) << metric << k;
    }
    EXPECT_NEAR(value("shapley", {}, metric), naive(7) - naive(0), 1e-9);
    EXPECT_NEAR(value("shapley", 0, metric) + value("shapley", 1, metric) + value("shapley", 2, metric),
                naive(7) - naive(0), 1e-9);
  }

  TestFolder folder_;
  TestFold fold_{folder_};
  Findings findings_;
};

TEST_F(AblationTest, RowsAreThoseOfWholePassesWithSomeAdapters) {
  find();
  std::vector<double> log_ps, uars;
  for (LayerSet set = 0; set < 8; ++set) {
    log_ps.push_back(mean_log_p(with_layers(set)));
    uars.push_back(uar_of(with_layers(set)));
  }
  expect_sets("log_probability", [&](LayerSet set) { return log_ps[set]; });
  expect_sets("uar", [&](LayerSet set) { return uars[set]; });
  EXPECT_NEAR(log_ps[0], mean_log_p(fold_.subjects.frozen), 1e-12);
  ASSERT_EQ(findings_.arrays.size(), 3u);
  for (const auto& [name, values] : findings_.arrays)
    for (int64_t set = 0; set < 8; ++set) {
      if (name == "sets")
        for (int64_t l = 0; l < 3; ++l) EXPECT_EQ(values[set][l].item<int64_t>(), set >> l & 1);
      else
        EXPECT_NEAR(values[set].item<double>(), name == "uar" ? uars[set] : log_ps[set], 1e-9) << name;
    }
}

TEST_F(AblationTest, OnlySharesOfLogProbabilitiesHaveIntervals) {
  for (size_t i = 0; i < 20; ++i) fold_.setting.labels[i] = static_cast<int64_t>(i) % 2;  // each speaker has both
  find();
  const auto found = [&](const char* metric) {
    return find_row(findings_.rows, {.model = "adapted", .layer = 1, .component = "shapley", .metric = metric});
  };
  PooledScores log_ps{.runs = 1, .speakers = 0, .whole = {}, .without = {}};
  std::map<std::string, std::pair<double, int64_t>> speakers;  // sum of log-probabilities' shares, clips
  double sum = 0;
  for (const int64_t clip : fold_.subjects.test) {
    const double of_clip =
        share(1, [&](LayerSet set) { return log_p(with_layers(set), clip)[fold_.label(clip)].item<double>(); });
    auto& [total, clips] = speakers[fold_.clip(clip).speaker];
    total += of_clip;
    ++clips;
    sum += of_clip;
  }
  const auto n = static_cast<double>(fold_.subjects.test.size());
  log_ps.whole = {sum / n};
  for (const auto& [speaker, of_speaker] : speakers)
    log_ps.without.push_back((sum - of_speaker.first) / (n - static_cast<double>(of_speaker.second)));
  log_ps.speakers = std::ssize(speakers);
  const auto expected = pooled_difference_interval(log_ps);
  const Row *of_log_p = found("log_probability"), *of_uar = found("uar");
  ASSERT_TRUE(of_log_p && of_uar && expected.value);
  EXPECT_EQ(of_log_p->estimand, "pooled");
  EXPECT_NEAR(of_log_p->low, expected.value->low, 1e-9);
  EXPECT_NEAR(of_log_p->high, expected.value->high, 1e-9);
  EXPECT_TRUE(std::isnan(of_uar->low));  // no interval of a sum of several UARs is accepted
}

TEST_F(AblationTest, AdaptersInOneLayerHaveTheWholeGain) {
  fold_.subjects.adapted = with_layers(2);
  find();
  const double gain = value("shapley", {}, "log_probability");
  EXPECT_GT(std::abs(gain), 1e-3);
  EXPECT_NEAR(value("shapley", 1, "log_probability"), gain, 1e-12);
  for (const int64_t l : {0, 2}) EXPECT_NEAR(value("shapley", l, "log_probability"), 0, 1e-12);
}

// Leaves a mark in the residual stream that hardly changes it: the values have the precision of float32.
struct Mark : SiteAdapter {
  static Tensor of(const Tensor& x) { return x.to(c10::ScalarType::Float).to(x.scalar_type()); }
  Tensor forward(const Tensor& x, const Site&, const Pass&) const override { return of(x); }
  bool merge_into(EncoderLayer&, const Site&) const override { return false; }
  AdapterOperations operations() const override { return {}; }
  void randomise(uint64_t) const override {}
};

// Adds a direction to the residual stream where it has the mark.
struct ActOnMark : Mark {
  Tensor direction;
  Tensor forward(const Tensor& x, const Site&, const Pass&) const override {
    return at::equal(x, of(x)) ? x + direction : x;
  }
};

// Two layers whose adapters only work together: each has half of the gain, and the gain is 0 if either is switched
// off.
TEST_F(AblationTest, LayersThatOnlyWorkTogetherShareTheGain) {
  Encoder quiet = *fold_.setting.base;  // layer 1 adds nothing to the residual stream
  for (Linear* linear : {&quiet.layers[1].out, &quiet.layers[1].fc2})
    *linear = {at::zeros_like(linear->weight), at::zeros_like(linear->bias)};
  fold_.setting.base = &quiet;
  fold_.subjects.frozen.encoder = fold_.subjects.adapted.encoder = quiet;
  AdapterSet& adapters = fold_.subjects.adapted.model.adapted.adapters;
  adapters.clear();
  auto act = std::make_shared<ActOnMark>();
  act->direction = random_tensor({16}, 5) * 3;
  adapters.add({SiteKind::residual_out, 0}, std::make_shared<Mark>());
  adapters.add({SiteKind::residual_out, 1}, act);
  find();
  const double none = value("first-k", 0, "log_probability"), gain = value("shapley", {}, "log_probability");
  ASSERT_GT(std::abs(gain), 1e-2);
  for (const int64_t l : {0, 1}) {
    EXPECT_NEAR(value("shapley", l, "log_probability"), gain / 2, 1e-5);
    EXPECT_NEAR(value("only", l, "log_probability"), none, 1e-5);
    EXPECT_NEAR(value("all-but", l, "log_probability"), none, 1e-5);
  }
  EXPECT_NEAR(value("shapley", 2, "log_probability"), 0, 1e-5);
}

TEST_F(AblationTest, ReplacedFactorsAreThoseOfTheStartAndOfTheNextFold) {
  const Base base = tiny_base(in_double);
  const EmotionModel other = make_model(base, tiny_adapter("lora"), {8, false}, {"anger", "joy", "sadness"}, 7);
  const std::vector<EmotionModel> models = {fold_.subjects.adapted.model, other};
  for (const Parameter& p : other.parameters())
    p.tensor.detach().add_(random_tensor(p.tensor.sizes().vec(), hash_of(hash_of(p.name), 2), 0.2));
  Tensors initial;  // the start of the training: the present A, and B = 0
  for (const Parameter& p : models[0].adapted.parameters)
    initial[p.name] = p.role == ParameterRole::factor_a ? p.tensor.detach() : at::zeros_like(p.tensor.detach());
  write_safetensors(folder_.path() / "initial.safetensors", initial);
  fold_.setting.model_folders = {folder_.path(), folder_.path()};
  fold_.setting.models = models;
  fold_.setting.folds = 2;
  find();
  for (int64_t l = 0; l < 3; ++l) {
    const auto swapped = [&](bool a) {
      Subject subject = fold_.subjects.adapted;
      for (auto& [place, adapter] : subject.model.adapted.adapters.linear) {
        if (place.layer != l) continue;
        const Factors own = *adapter->factors(), others = *other.adapted.adapters.linear.at(place)->factors();
        adapter = adapter->with_factors(a ? others.a : own.a, a ? own.b : others.b);
      }
      return mean_log_p(subject);
    };
    EXPECT_NEAR(value("A-swap", l, "log_probability"), swapped(true), 1e-12);
    EXPECT_NEAR(value("B-swap", l, "log_probability"), swapped(false), 1e-12);
    EXPECT_NEAR(value("A-start", l, "log_probability"), value("last-k", 3, "log_probability"), 1e-12);
    EXPECT_NEAR(value("B-start", l, "log_probability"), value("all-but", l, "log_probability"), 1e-12);
    EXPECT_NE(value("A-noise", l, "log_probability"), value("A-start", l, "log_probability"));
    EXPECT_FALSE(std::isnan(value("B-noise", l, "uar")));
  }
}

TEST_F(AblationTest, NoiseHasTheNormOfTheFactorAndLeavesAllOthers) {
  std::vector<std::string> notes;
  const AdapterSet& trained = fold_.subjects.adapted.model.adapted.adapters;
  int64_t noisy = 0;
  for (const auto& [component, layer, adapters] : replaced_factors(fold_.setting, fold_.subjects, notes)) {
    ASSERT_THAT(component, testing::AnyOf("A-noise", "B-noise"));  // one fold, and no file of the start
    for (const auto& [place, adapter] : adapters.linear) {
      const Factors before = *trained.linear.at(place)->factors(), now = *adapter->factors();
      const bool a = component == "A-noise" && place.layer == layer, b = component == "B-noise" && place.layer == layer;
      EXPECT_EQ(at::equal(now.a, before.a), !a);
      EXPECT_EQ(at::equal(now.b, before.b), !b);
      EXPECT_NEAR(now.a.norm().item<double>(), before.a.norm().item<double>(), 1e-9);
      EXPECT_NEAR(now.b.norm().item<double>(), before.b.norm().item<double>(), 1e-9);
      noisy += a || b;
    }
  }
  EXPECT_EQ(noisy, 3 * 6 * 2);
  EXPECT_THAT(notes, testing::ElementsAre(testing::HasSubstr("initial values")));
}

TEST_F(AblationTest, AFrozenModelHasNothingToSwitchOff) {
  fold_.subjects.adapted = fold_.subjects.frozen;
  fold_.subjects.adapted.model.adapted.parameters.clear();
  find();
  EXPECT_TRUE(findings_.rows.empty());
  EXPECT_THAT(findings_.notes, testing::ElementsAre(testing::HasSubstr("no adapter in any layer")));
}

}  // namespace
}  // namespace loralens
