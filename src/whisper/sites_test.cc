// SPDX-License-Identifier: Apache-2.0
#include "whisper/sites.h"

#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>
#include <set>

#include "base/test_folder.h"
#include "whisper/test_encoder.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;
using Shape = std::vector<int64_t>;

constexpr LayerRange all_layers{0, 3};
constexpr SiteKind of_a_layer[] = {SiteKind::residual_in,   SiteKind::attention_in, SiteKind::query,
                                   SiteKind::key,           SiteKind::value,        SiteKind::heads,
                                   SiteKind::attention_out, SiteKind::residual_mid, SiteKind::mlp_in,
                                   SiteKind::mlp_hidden,    SiteKind::mlp_out,      SiteKind::residual_out};

// Records the values of some sites, in order.
class Recorder : public Observer {
 public:
  explicit Recorder(std::set<SiteKind> kinds) : kinds_(std::move(kinds)) {}
  bool wants(const Site& site) const override { return kinds_.contains(site.kind); }
  void see(const Pass&, const Site& site, const Tensor& value, int64_t segment) override {
    seen.push_back({site, value, segment});
  }
  Tensor value(SiteKind kind, int64_t layer) const {
    for (const auto& one : seen)
      if (one.site.kind == kind && one.site.layer == layer) return one.value;
    return {};
  }

  struct Seen {
    Site site;
    Tensor value;
    int64_t segment;
  };
  std::vector<Seen> seen;

 private:
  std::set<SiteKind> kinds_;
};

// Replaces the value at some sites by f(value).
class Replacement : public Intervention {
 public:
  Replacement(std::set<Site> sites, std::function<Tensor(const Tensor&)> f)
      : sites_(std::move(sites)), f_(std::move(f)) {}
  bool wants(const Site& site) const override { return sites_.contains(site); }
  Tensor replace(const Pass&, const Site&, const Tensor& value, int64_t) override { return f_(value); }

 private:
  std::set<Site> sites_;
  std::function<Tensor(const Tensor&)> f_;
};

class Sites : public testing::TestWithParam<Precision> {
 protected:
  Tensor pass_with(const Taps& taps) {
    pass_.taps = &taps;
    return run(encoder_, {}, x_, all_layers, pass_);
  }
  Tensor plain() {
    pass_.taps = nullptr;
    return run(encoder_, {}, x_, all_layers, pass_);
  }

  Encoder encoder_ = tiny_encoder(GetParam());
  Pass pass_ = pass_of({5, 5, 8});
  Tensor x_ = random_tensor({18, 16}, 1).to(GetParam().sums);
};

TEST_P(Sites, ObserversChangeNoBitAndSeeEverySiteInOrder) {
  Recorder recorder({std::begin(of_a_layer), std::end(of_a_layer)});
  EXPECT_TRUE(same_bits(pass_with({{}, {&recorder}}), plain()));
  ASSERT_EQ(recorder.seen.size(), 3 * std::size(of_a_layer));
  size_t i = 0;
  for (int64_t layer = 0; layer < 3; ++layer)
    for (const SiteKind kind : of_a_layer) {
      const auto& [site, value, segment] = recorder.seen[i++];
      EXPECT_EQ(site, (Site{kind, layer})) << name_of(kind);
      EXPECT_EQ(value.sizes(), (Shape{18, kind == SiteKind::mlp_hidden ? 32 : 16})) << name_of(kind);
      EXPECT_EQ(segment, -1);
    }
}

// Without observers the residual sum is computed inside the layer norms; observed, it is a separate addition.
TEST_P(Sites, ObserversChangeNoBitOfTheGradient) {
  const auto gradient = [&] {
    const Tensor x = x_.clone().requires_grad_();
    const Tensor out = run(encoder_, {}, x, all_layers, pass_);
    return torch::autograd::grad({out}, {x}, {random_tensor({18, 16}, 2).to(out.scalar_type())})[0];
  };
  const Tensor unseen = gradient();
  Recorder recorder({std::begin(of_a_layer), std::end(of_a_layer)});
  const Taps taps{{}, {&recorder}};
  pass_.taps = &taps;
  EXPECT_TRUE(same_bits(gradient(), unseen));
}

TEST_P(Sites, TheResidualStreamAddsUp) {
  Recorder recorder({std::begin(of_a_layer), std::end(of_a_layer)});
  const Tensor out = pass_with({{}, {&recorder}});
  for (int64_t l = 0; l < 3; ++l) {
    const auto at = [&](SiteKind kind) { return recorder.value(kind, l); };
    EXPECT_TRUE(same_bits(at(SiteKind::residual_mid), at(SiteKind::residual_in) + at(SiteKind::attention_out)));
    EXPECT_TRUE(same_bits(at(SiteKind::residual_out), at(SiteKind::residual_mid) + at(SiteKind::mlp_out)));
    EXPECT_TRUE(same_bits(at(SiteKind::residual_in), l == 0 ? x_ : recorder.value(SiteKind::residual_out, l - 1)));
  }
  EXPECT_TRUE(same_bits(recorder.value(SiteKind::residual_out, 2), out));
}

TEST_P(Sites, ThePatternIsThatOfFusedAttention) {
  Recorder recorder({SiteKind::pattern, SiteKind::value, SiteKind::heads});
  const Tensor out = pass_with({{}, {&recorder}});
  const bool exact = GetParam().compute == c10::ScalarType::Double;
  EXPECT_LT(difference(out, plain()), exact ? 1e-13 : 1e-5);
  std::map<std::pair<int64_t, int64_t>, Tensor> patterns;
  for (const auto& one : recorder.seen)
    if (one.site.kind == SiteKind::pattern) patterns[{one.site.layer, one.segment}] = one.value;
  ASSERT_EQ(patterns.size(), 9u);  // 3 layers × 3 clips, including two of equal length
  for (const auto& [where, pattern] : patterns) {
    const auto [layer, segment] = where;
    const int64_t length = pass_.lengths[segment];
    EXPECT_EQ(pattern.sizes(), (Shape{2, length, length}));
    EXPECT_LT(largest(pattern.sum(-1) - 1), exact ? 1e-14 : 1e-6);
    EXPECT_GE(pattern.min().item<double>(), 0);
    // The output of a head is the mean of the values, weighted by this pattern.
    const Tensor values = recorder.value(SiteKind::value, layer).narrow(0, 5 * segment, length);
    const Tensor read =
        pattern.matmul(values.view({length, 2, 8}).transpose(0, 1)).transpose(0, 1).reshape({length, 16});
    EXPECT_LT(difference(recorder.value(SiteKind::heads, layer).narrow(0, 5 * segment, length), read),
              exact ? 1e-13 : 1e-5);
  }
}

TEST_P(Sites, ALayerWithoutItsOutputsPassesItsInputOn) {
  Replacement zero({{SiteKind::attention_out, 1}, {SiteKind::mlp_out, 1}},
                   [](const Tensor& x) { return at::zeros_like(x); });
  Recorder recorder({SiteKind::residual_in, SiteKind::residual_out});
  const Tensor out = pass_with({{&zero}, {&recorder}});
  EXPECT_TRUE(same_bits(recorder.value(SiteKind::residual_out, 1), recorder.value(SiteKind::residual_in, 1)));
  EXPECT_FALSE(same_bits(recorder.value(SiteKind::residual_out, 2), recorder.value(SiteKind::residual_in, 2)));
  const Tensor skipped =
      run(encoder_, {}, run(encoder_, {}, x_, {0, 1}, pass_of({5, 5, 8})), {2, 3}, pass_of({5, 5, 8}));
  EXPECT_TRUE(same_bits(out, skipped));
}

TEST_P(Sites, WithoutItsLayersTheEncoderIsANorm) {
  std::set<Site> outputs;
  for (int64_t l = 0; l < 3; ++l) outputs.merge(std::set<Site>{{SiteKind::attention_out, l}, {SiteKind::mlp_out, l}});
  Replacement zero(outputs, [](const Tensor& x) { return at::zeros_like(x); });
  const Taps taps{{&zero}, {}};
  pass_.taps = &taps;
  EXPECT_TRUE(same_bits(finish(encoder_, run(encoder_, {}, x_, all_layers, pass_), pass_),
                        finish(encoder_, x_, pass_of({5, 5, 8}))));
}

TEST_P(Sites, EverySiteTakesAReplacement) {
  std::set<SiteKind> kinds(std::begin(of_a_layer), std::end(of_a_layer));
  kinds.insert(SiteKind::pattern);
  const Tensor before = plain();
  for (const SiteKind kind : kinds) {
    Replacement half({{kind, 1}}, [](const Tensor& x) { return x * 0.5; });
    EXPECT_GT(difference(pass_with({{&half}, {}}), before), 1e-6) << name_of(kind);
  }
}

TEST_P(Sites, InterventionsActInOrderAndBeforeObservers) {
  Replacement add({{SiteKind::mlp_out, 0}}, [](const Tensor& x) { return x + 1; });
  Replacement twice({{SiteKind::mlp_out, 0}}, [](const Tensor& x) { return x * 2; });
  Recorder before({SiteKind::mlp_out}), after({SiteKind::mlp_out});
  pass_with({{}, {&before}});
  pass_with({{&add, &twice}, {&after}});
  EXPECT_TRUE(same_bits(after.value(SiteKind::mlp_out, 0), (before.value(SiteKind::mlp_out, 0) + 1) * 2));
}

TEST_P(Sites, AReplacementOfAnotherShapeIsAnError) {
  Replacement narrow({{SiteKind::mlp_out, 1}}, [](const Tensor& x) { return x.narrow(0, 0, 1); });
  EXPECT_THAT(error_of([&] { pass_with({{&narrow}, {}}); }), HasSubstr("mlp_out of layer 1 changed the shape"));
}

TEST_P(Sites, FinalNormIsSeenOnce) {
  Recorder recorder({SiteKind::final_norm});
  const Taps taps{{}, {&recorder}};
  pass_.taps = &taps;
  const Tensor out = finish(encoder_, x_, pass_);
  ASSERT_EQ(recorder.seen.size(), 1u);
  EXPECT_EQ(recorder.seen[0].site, (Site{SiteKind::final_norm}));
  EXPECT_TRUE(same_bits(recorder.seen[0].value, out));
}

// An observer that wants no site must not be called and must not make attention unfused.
TEST_P(Sites, WhatNobodyWantsCostsNothing) {
  struct : Observer, Intervention {
    bool wants(const Site&) const override { return false; }
    void see(const Pass&, const Site&, const Tensor&, int64_t) override { ++calls; }
    Tensor replace(const Pass&, const Site&, const Tensor& value, int64_t) override {
      ++calls;
      return value;
    }
    int calls = 0;
  } idle;
  EXPECT_TRUE(same_bits(pass_with({{&idle}, {&idle}}), plain()));
  EXPECT_EQ(idle.calls, 0);
}

INSTANTIATE_TEST_SUITE_P(Precisions, Sites, testing::Values(in_float, in_double), [](const auto& info) {
  return info.param.sums == c10::ScalarType::Double ? "float64" : "float32";
});

TEST(Passes, CountRowsAndClips) {
  Pass pass = pass_of({5, 7, 2});
  EXPECT_EQ(pass.rows(), 14);
  EXPECT_EQ(pass.clips(), 3);
  pass.segments = {2, 1};
  EXPECT_EQ(pass.clips(), 2);
}

TEST(SiteNames, AreThoseOfTheField) {
  EXPECT_EQ(name_of(SiteKind::residual_in), "residual_in");
  EXPECT_EQ(name_of(SiteKind::pattern), "pattern");
  EXPECT_EQ(name_of(SiteKind::residual_mid), "residual_mid");
  EXPECT_EQ(name_of(SiteKind::logits), "logits");
  EXPECT_EQ(name_of(Module::q_proj), "q_proj");
  EXPECT_EQ(name_of(Module::fc2), "fc2");
  std::set<std::string_view> names;
  for (int kind = 0; kind <= static_cast<int>(SiteKind::logits); ++kind)
    names.insert(name_of(static_cast<SiteKind>(kind)));
  EXPECT_EQ(names.size(), 19u);
}

}  // namespace
}  // namespace loralens
