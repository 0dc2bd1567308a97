// SPDX-License-Identifier: Apache-2.0
#include "whisper/adapter_set.h"

#include <ATen/ops/ones.h>
#include <gmock/gmock.h>

#include "base/test_folder.h"
#include "whisper/test_site_adapter.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

constexpr LayerRange all_layers{0, 3};

// Multiplies the value at a site by `factor`, and records the value before.
struct Multiply : Intervention {
  Multiply(const Site& at, Tensor by) : site(at), factor(std::move(by)) {}
  bool wants(const Site& one) const override { return one == site; }
  Tensor replace(const Pass&, const Site&, const Tensor& value, int64_t) override {
    given = value;
    return value * factor;
  }
  Site site;
  Tensor factor, given;
};

// The encoder's output with an intervention at a site.
Tensor run_with(const Encoder& encoder, const AdapterSet& adapters, const Tensor& x, Pass pass, Multiply& change) {
  const Taps taps{{&change}, {}};
  pass.taps = &taps;
  return run(encoder, adapters, x, all_layers, pass);
}

TEST(SiteAdapters, ChangeTheActivationAtTheirSite) {
  const Encoder encoder = tiny_encoder(in_double);
  const Tensor x = random_tensor({21, 16}, 1);
  const Pass pass = pass_of({8, 13});
  for (const SiteKind kind : adaptable_sites) {
    const Site site{kind, 1};
    const auto adapter = scaled_site(encoder, site);
    AdapterSet adapters;
    adapters.add(site, adapter);
    Multiply change(site, adapter->scale.detach());
    const Tensor expected = run_with(encoder, {}, x, pass, change);
    EXPECT_TRUE(same_bits(run(encoder, adapters, x, all_layers, pass), expected)) << name_of(kind);
    EXPECT_GT(difference(run(encoder, {}, x, all_layers, pass), expected), 1e-3) << name_of(kind);

    Multiply seen(site, at::ones({1}, x.options()));  // interventions get the adapted value
    EXPECT_TRUE(same_bits(run_with(encoder, adapters, x, pass, seen), expected));
    EXPECT_TRUE(same_bits(seen.given, change.given * adapter->scale));
  }
}

TEST(SiteAdapters, AreOneAtASiteThatCanHaveThem) {
  const Encoder encoder = tiny_encoder();
  AdapterSet adapters;
  const auto error_at = [&](const Site& site) {
    return error_of([&] { adapters.add(site, scaled_site(encoder, {SiteKind::value, 0})); });
  };
  EXPECT_EQ(error_at({SiteKind::value, 2}), "");
  EXPECT_EQ(error_at({SiteKind::value, 2}), "the site value of layer 2 has an adapter already");
  EXPECT_EQ(error_at({SiteKind::value, 1}), "");
  for (const SiteKind kind : {SiteKind::residual_in, SiteKind::adapter_down, SiteKind::adapter_up, SiteKind::pattern,
                              SiteKind::final_norm, SiteKind::pooled, SiteKind::projected, SiteKind::logits})
    EXPECT_THAT(error_at({kind, 0}), HasSubstr("no adapter can be at the site")) << name_of(kind);
  EXPECT_THAT(error_at({SiteKind::value}), HasSubstr("no adapter can be at the site value of layer -1"));
  EXPECT_EQ(adapters.sites().size(), 2u);
}

TEST(AdapterSet, KnowsItsPlaces) {
  const Encoder encoder = tiny_encoder();
  AdapterSet adapters;
  EXPECT_TRUE(adapters.empty());
  EXPECT_EQ(adapters.lowest_layer(), std::nullopt);
  adapters.add({SiteKind::value, 2}, scaled_site(encoder, {SiteKind::value, 2}));
  AdapterSet same = adapters;
  EXPECT_TRUE(same_places(adapters, same));
  EXPECT_EQ(adapters.lowest_layer(), 2);
  same.add({SiteKind::mlp_out, 1}, scaled_site(encoder, {SiteKind::mlp_out, 1}));
  EXPECT_FALSE(same_places(adapters, same));
  EXPECT_EQ(same.lowest_layer(), 1);
  same.clear();
  EXPECT_TRUE(same.empty());
}

}  // namespace
}  // namespace loralens
