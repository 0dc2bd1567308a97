// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/linalg_inv.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include "adapter/lora/lora.h"
#include "analysis/alignment/test_alignment.h"
#include "analysis/alignment/update_alignment.h"
#include "analysis/minibatches.h"
#include "base/error.h"
#include "statistics/jackknife.h"

namespace loralens {
namespace {

using at::Tensor;
using namespace handmade;

// A clip's row in each sample set: set 0 holds means over the speech frames, set 1 + f the f-th sampled frames.
Tensor sample(const HandMade& made, int64_t clip, int64_t set, const Tensor& value) {
  const int64_t speech = made.speech[clip];
  if (set == 0) return value.narrow(0, 0, speech).mean(0);
  const auto frames = sampled_frames(made.setting.seed, made.clips.clips[clip].id, speech);
  return value[frames[set - 1]];
}

// Equation 4 of Song et al., 2012, from features: n×p and n×q.
double song(const Tensor& x, const Tensor& y) {
  Tensor k = at::matmul(x, x.t()), l = at::matmul(y, y.t());
  k.fill_diagonal_(0);
  l.fill_diagonal_(0);
  const auto n = static_cast<double>(x.size(0));
  const double both = at::matmul(k, l).trace().item<double>(), crossed = at::matmul(k, l).sum().item<double>();
  const double sums = k.sum().item<double>() * l.sum().item<double>();
  return (both + sums / ((n - 1) * (n - 2)) - 2 * crossed / (n - 2)) / (n * (n - 3));
}

// Debiased CKA over minibatches (lists of clips), weighted by clips, without the clips of one speaker.
double naive_cka(const HandMade& made, const std::vector<std::vector<int64_t>>& minibatches, bool frames,
                 const Feature& first, const Feature& second, const std::string& without = "nobody") {
  double xy = 0, xx = 0, yy = 0;
  for (const auto& minibatch : minibatches)
    for (int64_t set = frames ? 1 : 0; set < (frames ? 1 + frames_of_clip : 1); ++set) {
      std::vector<Tensor> x, y;
      for (const int64_t clip : minibatch)
        if (made.clips.clips[clip].speaker != without) {
          x.push_back(sample(made, clip, set, first(clip)));
          y.push_back(sample(made, clip, set, second(clip)));
        }
      if (x.size() < 4) continue;
      const Tensor xs = at::stack(x), ys = at::stack(y);
      const auto n = static_cast<double>(x.size());
      xy += n * song(xs, ys);
      xx += n * song(xs, xs);
      yy += n * song(ys, ys);
    }
  return xy / std::sqrt(xx * yy);
}

void expect_row(const Findings& findings, const HandMade& made, const std::vector<std::vector<int64_t>>& minibatches,
                RowKey key, const Feature& first, const Feature& second) {
  key.metric = "cka";
  for (const bool frames : {false, true}) {
    key.variant = frames ? "frames" : "";
    const Row* row = find_row(findings.rows, key);
    ASSERT_NE(row, nullptr) << key.model << " " << key.component;
    EXPECT_NEAR(row->value, naive_cka(made, minibatches, frames, first, second), 1e-10) << key.component;
    std::vector<double> without;
    for (const char* speaker : {"s0", "s1", "s2", "s3", "s4"})
      without.push_back(naive_cka(made, minibatches, frames, first, second, speaker));
    const Interval interval = jackknife_interval(row->value, without);
    EXPECT_NEAR(row->low, interval.low, 1e-8);
    EXPECT_NEAR(row->high, interval.high, 1e-8);
    EXPECT_EQ(row->fold, 0);
  }
}

std::vector<int64_t> range(int64_t begin, int64_t end) {
  std::vector<int64_t> numbers;
  for (int64_t i = begin; i < end; ++i) numbers.push_back(i);
  return numbers;
}

TEST(Alignment, EqualsANaiveComputation) {
  HandMade made(70);
  const Findings findings = made.pass(20);  // three batches of 20 fit into the first minibatch of 64
  const std::vector<std::vector<int64_t>> minibatches = {range(0, 60), range(60, 70)};
  for (const Role role : {Role::adapted, Role::untrained})
    for (int64_t l = 0; l < layers; ++l) {
      RowKey key{.model = std::string(name_of(role)), .layer = l, .module = "v_proj", .component = "forward"};
      const auto down = [&](int64_t clip) { return made.seen(role, {SiteKind::adapter_down, l, module}, clip); };
      const auto up = [&](int64_t clip) { return at::matmul(down(clip), made.lora(role, l).b.t()); };
      expect_row(findings, made, minibatches, key, down, up);
      key.component = "gradient";
      const auto at_up = [&](int64_t clip) { return made.gradient(role, l, clip); };
      const auto at_down = [&](int64_t clip) { return at::matmul(at_up(clip), made.lora(role, l).b); };
      expect_row(findings, made, minibatches, key, at_down, at_up);
    }
  for (int64_t l = -1; l < layers; ++l) {
    const Site site = l < 0 ? Site{SiteKind::residual_in, 0} : Site{SiteKind::residual_out, l};
    expect_row(
        findings, made, minibatches, {.model = "adapted-frozen", .layer = l, .component = "residual"},
        [&](int64_t clip) { return made.seen(Role::adapted, site, clip); },
        [&](int64_t clip) { return made.seen(Role::frozen, site, clip); });
  }
  EXPECT_TRUE(
      std::ranges::all_of(findings.rows, [](const Row& row) { return row.n == 70 || row.key.layer == std::nullopt; }));
}

TEST(Alignment, MapsLayersOfOneModelAgainstThoseOfTheOther) {
  HandMade made(12);
  const Findings findings = made.pass(12);
  const auto at_layer = [&](Role role, int64_t l) {
    return [&made, role, l](int64_t clip) { return made.seen(role, {SiteKind::residual_out, l}, clip); };
  };
  const auto value = [&](const char* model, int64_t layer, int64_t other) {
    return value_of(findings, {.model = model,
                               .variant = "frames",
                               .layer = layer,
                               .component = fmt::format("layer {}", other),
                               .metric = "cka"});
  };
  EXPECT_NEAR(value("adapted-frozen", 0, 1),
              naive_cka(made, {range(0, 12)}, true, at_layer(Role::adapted, 0), at_layer(Role::frozen, 1)), 1e-10);
  EXPECT_NEAR(value("adapted", 0, 1),
              naive_cka(made, {range(0, 12)}, true, at_layer(Role::adapted, 0), at_layer(Role::adapted, 1)), 1e-10);
  EXPECT_NEAR(value("adapted", 1, 1), 1, 1e-12);
  EXPECT_NEAR(value("adapted-frozen", -1, -1), 1, 1e-12);  // both models have the same embedding
}

TEST(Alignment, InTheBalancedGaugeDoesNotDependOnHowBAIsFactored) {
  HandMade made(16);
  const Findings before = made.pass(8);
  const Tensor change = random_tensor({rank, rank}, 77);
  const Factors lora = made.lora(Role::adapted, 1);
  made.set_lora(Role::adapted, 1, at::matmul(change, lora.a), at::matmul(lora.b, at::linalg_inv(change)));
  const Findings after = made.pass(8);
  for (const char* component : {"forward", "gradient"}) {
    RowKey key{.model = "adapted", .layer = 1, .module = "v_proj", .component = component, .metric = "cka"};
    EXPECT_GT(std::abs(value_of(after, key) - value_of(before, key)), 1e-3);
    for (const char* variant : {"balanced", "frames-balanced"}) {
      key.variant = variant;
      EXPECT_NEAR(value_of(after, key), value_of(before, key), 1e-9) << component << " " << variant;
    }
  }
}

RowKey key_of(const char* model, const char* variant, int64_t layer, const char* component, const char* metric) {
  return {
      .model = model, .variant = variant, .layer = layer, .module = "v_proj", .component = component, .metric = metric};
}

// An update with equal singular values is a rotation in the balanced gauge, and so is every random one: the CKA is 1 in
// all of them, which says nothing about training.
TEST(Alignment, OfARotationIsNotAboveTheNull) {
  HandMade made(12);
  const Tensor left = std::get<0>(at::linalg_qr(random_tensor({out, rank}, 5)));
  const Tensor right = std::get<0>(at::linalg_qr(random_tensor({in, rank}, 6)));
  made.set_lora(Role::adapted, 0, right.t(), 3 * left);
  const Findings findings = made.pass(12);
  const Row* row = find_row(findings.rows, key_of("adapted", "balanced", 0, "forward", "cka"));
  ASSERT_NE(row, nullptr);
  EXPECT_NEAR(row->value, 1, 1e-9);
  EXPECT_GT(row->p_adjusted, 0.05);
  EXPECT_NEAR(value_of(findings, key_of("adapted", "balanced", 0, "forward", "cka_chance")), 1, 1e-9);
  // The gradient at A x is Bᵀ times the gradient at B A x, so another U gives another value.
  const Row* gradient = find_row(findings.rows, key_of("adapted", "balanced", 0, "gradient", "cka"));
  ASSERT_NE(gradient, nullptr);
  EXPECT_LT(gradient->null_low, gradient->null_high);
  EXPECT_EQ(gradient->null_draws, update_draws);
  EXPECT_GE(gradient->p_adjusted, gradient->p);
  EXPECT_TRUE(std::isnan(find_row(findings.rows, key_of("adapted", "", 0, "gradient", "cka"))->p));
}

// The strength is computed from all speech frames of the clips, by its definition.
TEST(Alignment, OfTheUpdateWithItsInputAndGradient) {
  HandMade made(9);
  const Findings findings = made.pass(4);
  const Factors lora = made.lora(Role::adapted, 1);
  const auto [u, s, vt] = at::linalg_svd(at::matmul(lora.b, lora.a), false);
  const Tensor sigma = s.narrow(0, 0, rank);
  double contrast = 0;
  for (const bool forward : {true, false}) {
    std::vector<Tensor> clips;
    Tensor mean = at::zeros({forward ? in : out}, c10::ScalarType::Double), covariance;
    for (int64_t i = 0; i < 9; ++i) {
      const Tensor value =
          forward ? made.seen(Role::adapted, {SiteKind::attention_in, 1}, i) : made.gradient(Role::adapted, 1, i);
      clips.push_back(value.narrow(0, 0, made.speech[i]));
      mean += clips.back().mean(0) / 9;
    }
    for (const Tensor& clip : clips) {
      const Tensor share = at::matmul((clip - mean).t(), clip - mean) / static_cast<double>(clip.size(0) * 9);
      covariance = covariance.defined() ? covariance + share : share;
    }
    const Tensor directions = forward ? vt.narrow(0, 0, rank).t() : u.narrow(1, 0, rank);
    const Tensor along = at::matmul(at::matmul(directions.t(), covariance), directions).diagonal();
    const double chance = (sigma.sum() * covariance.trace() / covariance.size(0)).item<double>();
    const double strength = (sigma * along).sum().item<double>() / chance;
    const Tensor eigenvalues = at::linalg_eigvalsh(covariance).flip(0).narrow(0, 0, rank);
    const double efficiency = (strength - 1) / ((sigma * eigenvalues).sum().item<double>() / chance - 1);
    const char* component = forward ? "forward" : "backward";
    EXPECT_NEAR(value_of(findings, key_of("adapted", "", 1, component, "strength")), strength, 1e-9);
    EXPECT_NEAR(value_of(findings, key_of("adapted", "", 1, component, "efficiency")), efficiency, 1e-9);
    const Row* row = find_row(findings.rows, key_of("adapted", "", 1, component, "strength"));
    // The mean of the draws is 1 up to its standard error.
    const double z = value_of(findings, key_of("adapted", "", 1, component, "strength_z"));
    EXPECT_TRUE(std::abs(strength - 1) < 0.05 || (z > 0) == (strength > 1)) << z;
    EXPECT_LT(row->null_low, 1);
    EXPECT_GT(row->null_high, 1);
    for (int64_t l = 0; l < layers; ++l)
      contrast += (forward ? 0.5 : -0.5) * value_of(findings, key_of("adapted", "", l, component, "efficiency"));
  }
  const RowKey mean{.model = "adapted", .component = "forward-backward", .metric = "efficiency"};
  EXPECT_NEAR(value_of(findings, mean), contrast, 1e-12);
  EXPECT_EQ(find_row(findings.rows, key_of("untrained", "", 1, "forward", "strength")), nullptr);
}

TEST(Alignment, SaysWhatItCannotDo) {
  HandMade few(3);
  const Findings none = few.pass(3);
  EXPECT_TRUE(none.rows.empty());
  ASSERT_EQ(none.notes.size(), 1u);
  EXPECT_EQ(none.notes[0], "CKA needs at least 4 clips; 3 were seen.");

  HandMade zero(8);
  zero.set_lora(Role::adapted, 0, zero.lora(Role::adapted, 0).a, random_tensor({out, rank}, 1, 0));
  const Findings findings = zero.pass(8);
  RowKey key{.model = "adapted", .layer = 0, .module = "v_proj", .component = "forward", .metric = "cka"};
  EXPECT_EQ(find_row(findings.rows, key), nullptr);
  key.layer = 1;
  EXPECT_NE(find_row(findings.rows, key), nullptr);
  EXPECT_TRUE(std::ranges::any_of(findings.notes, [](const std::string& note) { return note.ends_with("(B is 0)."); }));

  HandMade bare(8);
  bare.setting.adapted.clear();
  bare.fold.adapted.model.adapted.adapters.clear();
  bare.fold.untrained.model.adapted.adapters.clear();
  const Findings residuals = bare.pass(8);
  EXPECT_FALSE(residuals.rows.empty());
  EXPECT_TRUE(std::ranges::all_of(residuals.rows, [](const Row& row) { return row.key.module.empty(); }));
}

TEST(Alignment, OfALargeBatchIsCutAndAFewClipsLeftOverAreDropped) {
  HandMade large(70);
  const Findings findings = large.pass(70);
  const auto down = [&](int64_t clip) { return large.seen(Role::adapted, {SiteKind::adapter_down, 0, module}, clip); };
  const auto up = [&](int64_t clip) { return at::matmul(down(clip), large.lora(Role::adapted, 0).b.t()); };
  const RowKey key{.model = "adapted", .layer = 0, .module = "v_proj", .component = "forward", .metric = "cka"};
  EXPECT_NEAR(value_of(findings, key), naive_cka(large, {range(0, 35), range(35, 70)}, false, down, up), 1e-10);

  HandMade rest(66);
  const Findings dropped = rest.pass(32);
  EXPECT_TRUE(std::ranges::all_of(dropped.rows, [](const Row& row) { return row.n == 64 || row.key.metric != "cka"; }));
  EXPECT_TRUE(std::ranges::any_of(dropped.notes, [](const auto& note) { return note.starts_with("2 clips were"); }));
}

TEST(Alignment, PassesThroughTheRunner) {
  const TestFolder folder;
  const TestFold fold(folder);
  const Findings findings = fold.find(make_alignment(fold.setting));
  std::vector<Tensor> down, up;
  for (const int64_t clip : fold.subjects.test) {
    const auto seen = fold.see(fold.subjects.adapted, clip);
    down.push_back(seen.sites.at({SiteKind::adapter_down, 2, Module::fc1}).narrow(0, 0, seen.speech).mean(0));
    up.push_back(seen.sites.at({SiteKind::adapter_up, 2, Module::fc1}).narrow(0, 0, seen.speech).mean(0));
  }
  const Tensor x = at::stack(down), y = at::stack(up);
  RowKey key{.model = "adapted", .layer = 2, .module = "fc1", .component = "forward", .metric = "cka"};
  EXPECT_NEAR(value_of(findings, key), song(x, y) / std::sqrt(song(x, x) * song(y, y)), 1e-9);
  for (const char* module : {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"}) {
    key.component = "gradient";
    key.module = module;
    EXPECT_LE(std::abs(value_of(findings, key)), 1 + 1e-9);
  }
  EXPECT_FALSE(findings.reading.empty());
}

}  // namespace
}  // namespace loralens
