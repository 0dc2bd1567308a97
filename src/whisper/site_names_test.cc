// SPDX-License-Identifier: Apache-2.0
#include "whisper/site_names.h"

#include <gmock/gmock.h>

#include <set>

#include "base/error.h"

namespace loralens {
namespace {

using testing::HasSubstr;

TEST(SiteNames, AreReadAsTheyAreWritten) {
  EXPECT_EQ(text_of({SiteKind::residual_out, 3}), "residual_out.3");
  EXPECT_EQ(text_of({SiteKind::adapter_up, 5, Module::v_proj}), "adapter_up.5.v_proj");
  EXPECT_EQ(text_of({SiteKind::pooled}), "pooled");
  std::set<std::string> names;
  for (const Site& site : all_sites(4)) {
    EXPECT_EQ(parse_site(text_of(site), 4), site);
    names.insert(text_of(site));
  }
  // A layer has 13 sites and two for each of its six linear layers; final_norm, pooled, projected, logits.
  EXPECT_EQ(names.size(), 4 * (13 + 2 * 6) + 4);
}

TEST(SiteNames, AreInTheOrderOfTheForwardPass) {
  const auto sites = all_sites(2);
  EXPECT_EQ(sites.front(), (Site{SiteKind::residual_in, 0}));
  EXPECT_EQ(sites[25], (Site{SiteKind::residual_in, 1}));
  EXPECT_EQ(sites.back(), (Site{SiteKind::logits}));
}

TEST(SiteNames, OthersAreErrors) {
  for (const char* name : {"", "residual_out", "residual_out.4", "residual_out.-1", "residual_out.03", "pooled.1",
                           "adapter_up.1", "adapter_up.1.v_proj.2", "residual_out.1.v_proj", "residual_out.3 "})
    EXPECT_THAT(error_of([&] { parse_site(name, 4); }), HasSubstr("there is no site"));
  EXPECT_THAT(error_of([] { parse_site("residual_uot.3", 4); }), HasSubstr("did you mean 'residual_out.3'?"));
}

TEST(SiteNames, KindsAreReadBack) {
  for (size_t kind = 0; kind <= static_cast<size_t>(SiteKind::logits); ++kind)
    EXPECT_EQ(site_kind(name_of(static_cast<SiteKind>(kind))), static_cast<SiteKind>(kind));
  EXPECT_EQ(site_kind("residual"), std::nullopt);
}

}  // namespace
}  // namespace loralens
