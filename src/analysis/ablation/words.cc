// SPDX-License-Identifier: Apache-2.0
#include "analysis/ablation/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

const Row* share_row(const Findings& findings, const char* metric, std::optional<int64_t> layer) {
  return find_row(findings.rows, {.model = "adapted", .layer = layer, .component = "shapley", .metric = metric});
}

std::string largest_share(const Setting& setting, const Findings& findings, const char* metric, const char* what) {
  const Row* gain = share_row(findings, metric, {});
  if (!gain) return "";
  const std::string size = fmt::format("{:+.3f}{}", gain->value, interval_words(*gain, true));
  if (!has_interval(*gain) || !differs_from_zero(*gain))
    return fmt::format("Whether all adapted layers together change {} cannot be told: {}.", what, size);
  if (gain->value < 0) return fmt::format("All adapted layers together lower {}: {}.", what, size);
  const Row* largest = nullptr;
  for (int64_t layer = 0; layer < setting.layers; ++layer)
    if (const Row* row = share_row(findings, metric, layer); row && (!largest || row->value > largest->value))
      largest = row;
  std::string text = fmt::format(
      "Under the adapted model's head all adapters together change {} by {}; the largest Shapley share is that of "
      "layer {}: {:+.3f}{}.",
      what, size, *largest->key.layer, largest->value, interval_words(*largest, true));
  if (has_interval(*largest) && !differs_from_zero(*largest))
    text += " Its interval includes 0: whether this layer adds anything cannot be told.";
  return text;
}

std::vector<Figure> figures_of(const Setting& setting, const Findings& findings) {
  std::vector<std::string> layers;
  for (int64_t layer = 0; layer < setting.layers; ++layer) layers.push_back(fmt::format("{}", layer));
  const auto figure = [&](const char* name, const char* title, const std::vector<std::string>& components) {
    Figure f{.name = name, .title = title, .color = "component", .facet = "metric", .own_scales = true};
    f.where = {{"component", components}, {"variant", {""}}, {"layer", layers}};
    return f;
  };
  Figure shares = figure("ablation-shapley", "Shapley share of each layer's adapters", {"shapley"});
  shares.kind = Figure::Kind::bars;
  Figure single = figure("ablation-one-layer", "Adapters of one layer on (only) or off (all-but)", {"only", "all-but"});
  Figure several = figure("ablation-first-last", "Adapters of the first or last k layers on", {"first-k", "last-k"});
  several.where.back().second.push_back(fmt::format("{}", setting.layers));
  several.x_title = "k";
  std::vector<Figure> figures = {shares, single, several};
  constexpr std::array replaced = {"A-start", "A-noise", "A-swap", "B-start", "B-noise", "B-swap"};
  if (std::ranges::any_of(findings.rows, [](const Row& row) { return row.key.component == "B-noise"; }))
    figures.push_back(figure("ablation-factors", "A or B of one layer replaced", {replaced.begin(), replaced.end()}));
  return figures;
}

}  // namespace

void describe_ablation(const Setting& setting, Findings& findings) {
  findings.measures =
      "Log-probability of the true class and UAR with the adapters switched on in some layers only, and each layer's "
      "Shapley share of the change that all adapters make together.";
  findings.source = "Shapley, 1953; above eight adapted layers antithetic permutations, Mitchell et al., 2022";
  findings.caveat =
      "The head and the other layers were trained with all adapters on, so a pass with some of them off has states on "
      "which they were not trained. A share averages over all orders in which layers can be switched on; it does not "
      "say that a layer's adapters work alone (rows only). The interval of the largest share is not adjusted for the "
      "choice among the layers.";
  if (findings.rows.empty()) return;
  for (const auto& [metric, what] :
       {std::pair{"log_probability", "the log-probability of the true class"}, std::pair{"uar", "the UAR"}})
    if (std::string text = largest_share(setting, findings, metric, what); !text.empty())
      findings.reading.push_back(std::move(text));
  findings.figures = figures_of(setting, findings);
}

}  // namespace loralens
