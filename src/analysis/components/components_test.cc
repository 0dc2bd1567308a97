// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/diag.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include <functional>

#include "analysis/components/intruder_pairs.h"
#include "analysis/test_fold.h"

namespace loralens {
namespace {

using at::Tensor;

// A known change of a weight.
struct Change : LinearAdapter {
  Tensor change;  // out×in
  explicit Change(Tensor change) : change(std::move(change)) {}
  Tensor forward(const Linear& base, const Tensor& x, int64_t, Module, const Pass&) const override {
    const Tensor y = at::matmul(x, (base.weight + change).t());
    return base.bias.defined() ? y + base.bias : y;
  }
  Linear merged(const Linear& base) const override { return {base.weight + change, base.bias}; }
  AdapterOperations operations() const override { return {}; }
  void randomise(uint64_t) const override {}
};

// The same change with a component of the singular value decomposition (from 0) scaled.
Tensor scaled_component(const Tensor& change, int64_t i, double lambda) {
  const auto [u, s, v] = at::linalg_svd(change, /*full_matrices=*/false);
  return change + (lambda - 1) * s[i] * at::outer(u.select(1, i), v[i]);
}

class ComponentsTest : public testing::Test {
 protected:
  const Encoder& base() const { return *fold_.setting.base; }
  // ΔW of the adapted model at a place.
  static Tensor change_at(const Subject& subject, const Place& place, const Encoder& base) {
    const Linear& linear = base.linear(place.layer, place.module);
    return subject.model.adapted.adapters.linear.at(place)->merged(linear).weight - linear.weight;
  }
  // The adapted model with every ΔW replaced by its image.
  Subject changed(const std::function<Tensor(const Place&, const Tensor&)>& image) const {
    Subject subject = fold_.subjects.adapted;
    for (auto& [place, adapter] : subject.model.adapted.adapters.linear)
      adapter = std::make_shared<Change>(image(place, change_at(fold_.subjects.adapted, place, base())));
    return subject;
  }
  double mean_log_p(const Subject& subject) const {
    double sum = 0;
    for (const int64_t clip : fold_.subjects.test)
      sum += at::log_softmax(fold_.see(subject, clip).logits, 0)[fold_.label(clip)].item<double>() / 8;
    return sum;
  }
  // The frozen encoder under the adapted model's head.
  Subject frozen() const {
    Subject subject = fold_.subjects.frozen;
    subject.model.head = fold_.subjects.adapted.model.head;
    return subject;
  }
  void only(const Place& place, Tensor change) {
    AdapterSet& adapters = fold_.subjects.adapted.model.adapted.adapters;
    adapters.clear();
    adapters.linear[place] = std::make_shared<Change>(std::move(change));
  }
  // Labels each test clip with the class that the adaptation helps most.
  void label_for_a_gain() {
    for (const int64_t clip : fold_.subjects.test) {
      const Tensor high = at::log_softmax(fold_.see(fold_.subjects.adapted, clip).logits, 0),
                   low = at::log_softmax(fold_.see(frozen(), clip).logits, 0);
      fold_.setting.labels[clip] = (high - low).argmax().item<int64_t>();
    }
  }
  void find() { findings_ = fold_.find(make_components(fold_.setting)); }
  double value(const std::string& component, std::optional<int64_t> layer, const std::string& metric,
               const std::string& variant = "", const std::string& module = "") const {
    return value_of(findings_, {.model = "adapted",
                                .variant = variant,
                                .layer = layer,
                                .module = module,
                                .component = component,
                                .metric = metric});
  }

  TestFolder folder_;
  TestFold fold_{folder_};
  Findings findings_;
};

TEST_F(ComponentsTest, AllComponentsAreTheAdaptedModelAndNoneTheBaseModel) {
  find();
  const double adapted = mean_log_p(fold_.subjects.adapted);
  EXPECT_NEAR(value("none", {}, "log_probability"), adapted, 1e-9);
  EXPECT_NEAR(value("truncate", 4, "log_probability"), adapted, 1e-9);
  EXPECT_NEAR(value("scale", {}, "log_probability", "lambda-1"), adapted, 1e-9);
  EXPECT_NEAR(value("scale", {}, "change", "lambda-1"), 0, 1e-9);
  const double none = mean_log_p(frozen());
  EXPECT_NEAR(value("truncate", 0, "log_probability"), none, 1e-9);
  EXPECT_NEAR(value("scale", {}, "log_probability", "lambda-0"), none, 1e-9);
  EXPECT_GT(std::abs(adapted - none), 1e-3);
}

TEST_F(ComponentsTest, RowsAreThoseOfWholePassesWithChangedWeights) {
  find();
  const auto of = [&](const std::function<Tensor(const Tensor&)>& image) {
    return mean_log_p(changed([&](const Place&, const Tensor& change) { return image(change); }));
  };
  for (const auto& [variant, lambda] : {std::pair{"lambda-0", 0.0}, std::pair{"lambda-2", 2.0}})
    for (int64_t i = 0; i < 4; ++i)
      EXPECT_NEAR(value("scale", i + 1, "log_probability", variant),
                  of([&](const Tensor& change) { return scaled_component(change, i, lambda); }), 1e-9);
  const double two = of([](const Tensor& change) {
    return scaled_component(scaled_component(change, 2, 0), 2, 0);  // the fourth is now the third
  });
  EXPECT_NEAR(value("truncate", 2, "log_probability"), two, 1e-9);
  EXPECT_NEAR(value("keep", 3, "log_probability"),
              of([](const Tensor& change) { return change - scaled_component(change, 2, 0); }), 1e-9);
  EXPECT_NEAR(value("scale", {}, "log_probability", "lambda-1.5"),
              of([](const Tensor& change) { return change * 1.5; }), 1e-9);
  EXPECT_NEAR(
      value("update", 1, "sigma", "component-2", "fc1"),
      std::get<1>(at::linalg_svd(change_at(fold_.subjects.adapted, {1, Module::fc1}, base())))[1].item<double>(), 1e-9);
}

TEST_F(ComponentsTest, SensitivitiesAreDerivativesAndAddUp) {
  find();
  const double step = 1e-5;
  const auto derivative = [&](const std::function<Tensor(const Place&, const Tensor&, double)>& image) {
    const auto loss = [&](double lambda) {
      return -mean_log_p(changed([&](const Place& at, const Tensor& change) { return image(at, change, lambda); }));
    };
    return (loss(1 + step) - loss(1 - step)) / (2 * step);
  };
  const Place place{1, Module::v_proj};
  double sum = 0;
  for (int64_t i = 0; i < 4; ++i) {
    const std::string variant = "component-" + std::to_string(i + 1);
    const double expected = derivative([&](const Place& at, const Tensor& change, double lambda) {
      return at == place ? scaled_component(change, i, lambda) : change;
    });
    EXPECT_NEAR(value("update", 1, "sensitivity", variant, "v_proj"), expected, 1e-6);
    sum += expected;
  }
  EXPECT_NEAR(value("update", 1, "sensitivity", "", "v_proj"), sum, 4e-6);
  EXPECT_NEAR(value("scale", 1, "first_order", "lambda-0"),
              derivative([&](const Place&, const Tensor& change, double lambda) {
                return scaled_component(change, 0, lambda);
              }),
              1e-5);
}

// The final norm subtracts the mean over the width, so that an update that adds the same number to all elements of the
// last layer's output changes nothing.
TEST_F(ComponentsTest, OnlyTheComponentThatTheHeadCanSeeMatters) {
  const Tensor ones = at::ones({16}, c10::ScalarType::Double) / 4;
  Tensor seen = random_tensor({16}, 3);
  seen = seen - seen.mean();
  const Tensor in = random_tensor({32}, 4), first = in / in.norm();
  Tensor second = random_tensor({32}, 6);
  second = second - second.dot(first) * first;
  only({2, Module::fc2}, 40 * at::outer(ones, first) + 8 * at::outer(seen / seen.norm(), second / second.norm()));
  label_for_a_gain();
  find();
  EXPECT_NEAR(value("scale", 1, "change", "lambda-0"), 0, 1e-5);
  EXPECT_NEAR(value("update", 2, "sensitivity", "component-1", "fc2"), 0, 1e-5);
  EXPECT_LT(value("scale", 2, "change", "lambda-0"), -0.01);
  EXPECT_NEAR(value("truncate", 1, "recovered"), 0, 1e-4);
  EXPECT_NEAR(value("keep", 2, "recovered"), 1, 1e-4);
  EXPECT_THAT(findings_.reading, testing::Contains(testing::HasSubstr("Without component 2 of each update")));
}

TEST_F(ComponentsTest, AnIntruderIsScaledInTheWholeWeight) {
  const Place place{1, Module::fc1};
  const Tensor weight = base().linear(1, Module::fc1).weight;  // 32×16
  const Tensor left = std::get<0>(at::linalg_svd(weight, /*full_matrices=*/false));
  const Tensor in = random_tensor({16}, 7);
  const Tensor change = 40 * at::outer(left.sum(1) / 4, in / in.norm());  // |cosine| 1/4 with each direction of W
  only(place, change);
  find();
  EXPECT_EQ(value("intruders", {}, "count"), 1);
  const Tensor whole = weight + change;
  only(place, scaled_component(whole, 0, 0) - weight);
  const double removed = mean_log_p(fold_.subjects.adapted);
  EXPECT_NEAR(value("intruders", {}, "log_probability", "lambda-0"), removed, 1e-9);
  const double ordinary = value("ordinary", {}, "log_probability", "lambda-0");
  EXPECT_NEAR(value("intruders-ordinary", {}, "change", "lambda-0"), removed - ordinary, 1e-9);
  EXPECT_THAT(findings_.reading, testing::Contains(testing::HasSubstr("Removing the intruder dimensions")));
}

TEST(IntruderPairs, TakeTheOrdinaryComponentWithTheNearestSingularValue) {
  std::vector<double> values(16);
  for (size_t i = 0; i < 16; ++i) values[i] = 16 - static_cast<double>(i);
  const Tensor weight = at::diag(at::tensor(values, c10::ScalarType::Double));
  const Tensor u = at::ones({16}, c10::ScalarType::Double) / 4;
  const IntruderPairs pairs = intruder_pairs(weight, 100 * at::outer(u, u));
  EXPECT_EQ(pairs.intruders, std::vector<int64_t>{0});
  EXPECT_EQ(pairs.ordinary, std::vector<int64_t>{1});
  EXPECT_NEAR(pairs.left.select(1, 0).norm().item<double>(), pairs.intruder_values[0], 1e-9);
  EXPECT_GT(pairs.intruder_values[0], 100);
  EXPECT_LT(pairs.ordinary_values[0], 17);
  EXPECT_TRUE(intruder_pairs(weight, weight * 0).intruders.empty());
}

TEST_F(ComponentsTest, TheIdentitiesHoldForEveryMethodWithAnUpdate) {
  const Base same = tiny_base(in_double);  // as the fold's
  for (const char* method : {"pissa", "dora", "vera", "ia3", "full"}) {
    fold_.subjects.adapted = make_subject(Role::adapted, tiny_model(same, tiny_adapter(method)));
    find();
    int64_t most = 0;
    for (const Row& row : findings_.rows)
      if (row.key.component == "truncate") most = std::max(most, *row.key.layer);
    EXPECT_NEAR(value("truncate", most, "change"), 0, 1e-5) << method;
    EXPECT_GT(std::abs(value("truncate", 0, "change")), 1e-4) << method;
    if (std::string(method) == "full") continue;  // its stem and norms stay trained
    EXPECT_NEAR(value("none", {}, "log_probability"), mean_log_p(fold_.subjects.adapted), 1e-9) << method;
    EXPECT_NEAR(value("truncate", 0, "log_probability"), mean_log_p(frozen()), 1e-9) << method;
  }
}

TEST_F(ComponentsTest, MethodsWithoutAnUpdateSayWhy) {
  const Base same = tiny_base(in_double);
  for (const char* method : {"bitfit", "houlsby", "frozen"}) {
    fold_.subjects.adapted = make_subject(Role::adapted, tiny_model(same, tiny_adapter(method)));
    find();
    EXPECT_TRUE(findings_.rows.empty()) << method;
    EXPECT_THAT(findings_.notes, testing::ElementsAre(testing::HasSubstr("no linear layer has an update"))) << method;
  }
}

}  // namespace
}  // namespace loralens
