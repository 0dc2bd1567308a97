// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>

#include "analysis/alignment/test_alignment.h"

namespace loralens {
namespace {

using at::Tensor;
using namespace handmade;

// Biased, from centred features (Kornblith et al., 2019, equation 3). x: n×p, y: n×q.
double linear_cka(const Tensor& x, const Tensor& y) {
  const Tensor xc = x - x.mean(0, true), yc = y - y.mean(0, true);
  const auto norm = [](const Tensor& m) { return std::sqrt((m * m).sum().item<double>()); };
  return std::pow(norm(at::matmul(xc.t(), yc)), 2) / norm(at::matmul(xc.t(), xc)) / norm(at::matmul(yc.t(), yc));
}

double rbf_cka(const Tensor& x, const Tensor& y) {
  const auto centred = [](const Tensor& z) {
    const Tensor distances = (z.unsqueeze(0) - z.unsqueeze(1)).square().sum(2);
    const Tensor k = (distances * (-1 / static_cast<double>(z.size(1)))).expm1();
    return k - k.mean(0, true) - k.mean(1, true) + k.mean();
  };
  const Tensor k = centred(x), l = centred(y);
  return ((k * l).sum() / ((k * k).sum() * (l * l).sum()).sqrt()).item<double>();
}

TEST(PaperAlignment, EqualsANaiveComputation) {
  for (const double scale : {1.0, 1e-6}) {
    HandMade made(9, true);
    made.gradient_scale = scale;
    const Findings findings = made.pass(2);
    const auto flat = [&](const Feature& feature) {
      std::vector<Tensor> clips;
      for (int64_t i = 0; i < 9; ++i) clips.push_back(feature(i).flatten());
      return at::stack(clips);
    };
    const auto value = [&](int64_t layer, const char* component, const char* variant = "") {
      for (const Row& row : findings.rows)
        if (row.key.layer == layer && row.key.component == component && row.key.variant == variant) return row.value;
      ADD_FAILURE() << component << " is missing";
      return 0.0;
    };
    for (int64_t l = 0; l < layers; ++l) {
      const auto down = [&](Role role) {
        return flat([&](int64_t clip) { return made.seen(role, {SiteKind::adapter_down, l, module}, clip); });
      };
      const auto up = [&](Role role) {
        return flat([&](int64_t clip) {
          return at::matmul(made.seen(role, {SiteKind::adapter_down, l, module}, clip), made.lora(role, l).b.t());
        });
      };
      EXPECT_NEAR(value(l, "forward-trained"), linear_cka(down(Role::adapted), down(Role::untrained)), 1e-12);
      EXPECT_NEAR(value(l, "forward-untrained"), rbf_cka(up(Role::adapted), up(Role::untrained)), 1e-12);
      for (const auto& [role, component] :
           {std::pair{Role::adapted, "gradient-trained"}, std::pair{Role::untrained, "gradient-untrained"}}) {
        const Tensor at_up = flat([&](int64_t clip) { return made.gradient(role, l, clip); });
        const Tensor at_down =
            flat([&](int64_t clip) { return at::matmul(made.gradient(role, l, clip), made.lora(role, l).b); });
        const double expected = rbf_cka(at_up, at_down);
        EXPECT_NEAR(value(l, component), expected, 1e-11);
        if (scale == 1)
          EXPECT_NEAR(value(l, component, "float32"), expected, 1e-4);
        else
          EXPECT_EQ(value(l, component, "float32"), 0);  // both kernels are all ones there
      }
    }
    for (const Row& row : findings.rows) {
      EXPECT_EQ(row.fold, 0);
      EXPECT_EQ(row.n, 9);
      EXPECT_TRUE(std::isnan(row.low));
    }
    EXPECT_EQ(findings.rows.size(), 12u);
  }
}

TEST(PaperAlignment, NeedsClipsOfEqualLengthAndFourOfThem) {
  HandMade made(9, true);
  made.rows[5] = 6;
  made.speech[5] = 6;
  const Findings unequal = made.pass(2);
  EXPECT_TRUE(unequal.rows.empty());
  ASSERT_EQ(unequal.notes.size(), 1u);
  EXPECT_NE(unequal.notes[0].find("equal length"), std::string::npos);
  HandMade few(3, true);
  const Findings none = few.pass(2);
  EXPECT_TRUE(none.rows.empty());
  ASSERT_EQ(none.notes.size(), 1u);
  EXPECT_NE(none.notes[0].find("3 were seen"), std::string::npos);
}

}  // namespace
}  // namespace loralens
