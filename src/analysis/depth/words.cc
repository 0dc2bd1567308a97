// SPDX-License-Identifier: Apache-2.0
#include "analysis/depth/words.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

std::string sentence(const Findings& findings, const char* metric, const char* what) {
  const auto row = [&](const char* component) {
    return find_row(findings.rows, {.model = "adapted", .component = component, .metric = metric});
  };
  const Row *gain = row("gain"), *centroid = row("centroid"), *z = row("centroid-z");
  if (!gain || !centroid || !z) return "";
  if (!has_interval(*gain) || gain->low <= 0)
    return fmt::format(
        "Whether the adaptation specialises late cannot be told from {}: under the refitted head the adapters of all "
        "layers change it by {:+.3f}{}, which is not shown to be above 0.",
        what, gain->value, interval_words(*gain, true));
  const double p = std::min(1.0, 2 * z->p);
  return fmt::format(
      "{}: the depth centroid of the Shapley shares is {:.2f}; that of random updates with the same singular values is "
      "between {:.2f} and {:.2f} in 95 % of cases (z = {:.2f}, one-sided p = {:.2g}, doubled for the two scores). {}",
      std::string_view(metric) == "uar" ? "UAR" : "Log-probability of the true class", centroid->value,
      centroid->null_low, centroid->null_high, z->value, p,
      p < 0.05 ? "The shares lie in later layers than those of random updates."
               : "It is not shown that the shares lie in later layers than those of random updates.");
}

}  // namespace

void describe_depth(Findings& findings) {
  findings.measures =
      "The mean layer of the Shapley shares (depth centroid) of the trained adapters, and of random updates with the "
      "same singular values, each under a head that is refitted to its own last layer.";
  findings.source = "Shapley, 1953; null distribution of this project";
  findings.caveat =
      "The p value compares these trained models with random updates on these clips: it does not include the variation "
      "between trainings or between speakers. Random updates add hardly anything to the log-probability, so their "
      "shares are mostly the effects of a disturbance.";
  if (findings.rows.empty()) return;
  for (const auto& [metric, what] :
       {std::pair{"log_probability", "the log-probability of the true class"}, std::pair{"uar", "the UAR"}})
    if (std::string text = sentence(findings, metric, what); !text.empty()) findings.reading.push_back(std::move(text));
  Figure shares{.name = "depth-shapley",
                .title = "Shapley share of each layer's adapters under the refitted head",
                .kind = Figure::Kind::bars,
                .facet = "metric",
                .own_scales = true};
  shares.where = {{"component", {"shapley"}}};
  findings.figures = {shares};
}

}  // namespace loralens
