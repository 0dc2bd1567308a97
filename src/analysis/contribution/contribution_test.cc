// SPDX-License-Identifier: Apache-2.0
#include <ATen/core/TensorAccessor.h>

#include "analysis/test_fold.h"

namespace loralens {
namespace {

using at::Tensor;

// Relative norm of the output and its cosine with the stream at one position, in plain loops.
std::pair<double, double> naive(const Tensor& stream, const Tensor& added) {
  double hh = 0, oo = 0, ho = 0;
  for (int64_t d = 0; d < stream.size(0); ++d) {
    const double h = stream[d].item<double>(), o = added[d].item<double>();
    hh += h * h;
    oo += o * o;
    ho += h * o;
  }
  return {std::sqrt(oo) / std::sqrt(hh), ho / std::sqrt(oo * hh)};
}

// Sums over positions of norm and cosine of a layer's attention, MLP, both; and the number of positions.
struct Sums {
  std::array<std::pair<double, double>, 3> of{};
  double positions = 0;
};
Sums sums_of(const TestFold::Seen& seen, int64_t layer) {
  const Tensor h = seen.sites.at({SiteKind::residual_in, layer}), a = seen.sites.at({SiteKind::attention_out, layer}),
               m = seen.sites.at({SiteKind::mlp_out, layer});
  Sums sums;
  for (int64_t t = 0; t < seen.speech; ++t) {
    const Tensor parts[] = {a[t], m[t], a[t] + m[t]};
    for (size_t i = 0; i < 3; ++i) {
      const auto [norm, cosine] = naive(h[t], parts[i]);
      sums.of[i].first += norm;
      sums.of[i].second += cosine;
    }
    ++sums.positions;
  }
  return sums;
}

constexpr const char* components[] = {"attention", "mlp", "layer"};

TEST(Contribution, AgreesWithANaiveTwin) {
  const TestFolder folder;
  TestFold fold(folder);
  fold.subjects.test = {12, 13, 14, 15, 16};  // of five speakers
  for (const bool paper : {false, true}) {
    fold.setting.protocol = paper ? paper_protocol : strict_protocol;
    const Findings findings = fold.find(make_contribution(fold.setting));
    for (const int64_t layer : {0, 2}) {
      for (size_t c = 0; c < 3; ++c) {
        double differences[2] = {};
        for (const Role role : {Role::adapted, Role::frozen}) {
          double norm = 0, cosine = 0, weight = 0;
          for (const int64_t clip : fold.subjects.test) {
            const Sums sums = sums_of(fold.see(fold.subjects.of(role), clip), layer);
            const double share = paper ? 1 : 1 / sums.positions;  // strict: clips have equal weight
            norm += share * sums.of[c].first;
            cosine += share * sums.of[c].second;
            weight += share * sums.positions;
          }
          const auto row = [&](const char* metric) {
            return value_of(
                findings,
                {.model = std::string(name_of(role)), .layer = layer, .component = components[c], .metric = metric});
          };
          EXPECT_NEAR(row("relative_norm"), norm / weight, 1e-12 * std::abs(norm));
          EXPECT_NEAR(row("cosine"), cosine / weight, 1e-12);
          differences[0] += (role == Role::adapted ? 1 : -1) * norm / weight;
          differences[1] += (role == Role::adapted ? 1 : -1) * cosine / weight;
        }
        const auto row = [&](const char* metric) {
          return value_of(findings,
                          {.model = "adapted-frozen", .layer = layer, .component = components[c], .metric = metric});
        };
        EXPECT_NEAR(row("relative_norm"), differences[0], 1e-11);
        EXPECT_NEAR(row("cosine"), differences[1], 1e-11);
        EXPECT_GT(std::abs(differences[0]), 1e-6);
      }
    }
    for (const Row& row : findings.rows) {
      EXPECT_EQ(row.fold, 0);
      EXPECT_EQ(row.n, 5);
      EXPECT_EQ(std::isnan(row.low), paper);
      EXPECT_EQ(row.estimand, paper ? "" : "pooled");
    }
    EXPECT_EQ(findings.rows.size(), 3 * 3 * 3 * 2u);
    EXPECT_EQ(findings.reading.size(), 4u);
  }
}

TEST(Contribution, AnAdapterThatIsOffChangesNothing) {
  const TestFolder folder;
  TestFold fold(folder);
  fold.subjects.adapted.model.adapted.adapters.clear();
  for (const bool paper : {false, true}) {
    fold.setting.protocol = paper ? paper_protocol : strict_protocol;
    const Findings findings = fold.find(make_contribution(fold.setting));
    int64_t differences = 0;
    for (const Row& row : findings.rows)
      if (row.key.model == "adapted-frozen") {
        EXPECT_EQ(row.value, 0);
        ++differences;
      }
    EXPECT_EQ(differences, 18);
    EXPECT_NE(findings.reading[0].find("the same with and without adaptation"), std::string::npos);
  }
}

TEST(Contribution, WithoutClipsItSaysSo) {
  const TestFolder folder;
  TestFold fold(folder);
  fold.subjects.test.clear();
  const Findings findings = fold.find(make_contribution(fold.setting));
  EXPECT_TRUE(findings.rows.empty());
  EXPECT_EQ(findings.notes.size(), 1u);
}

}  // namespace
}  // namespace loralens
