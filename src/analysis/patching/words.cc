// SPDX-License-Identifier: Apache-2.0
#include "analysis/patching/words.h"

#include <fmt/format.h>

#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

const Row* share_row(const Findings& findings, const std::string& variant, int64_t layer) {
  return find_row(
      findings.rows,
      {.model = "adapted", .variant = variant, .layer = layer, .component = "residual", .metric = "recovered"});
}

// The first layer from which on all shares are at least one half; N if there is none.
int64_t first_lasting_half(const Findings& findings, const std::string& variant, int64_t layers) {
  int64_t first = layers;
  for (int64_t layer = layers - 1; layer >= -1; --layer) {
    const Row* row = share_row(findings, variant, layer);
    if (!row || row->value < 0.5) break;
    first = layer;
  }
  return first;
}

// "adds to", or "takes from" if the whole patch, which turns one model into the other, lowers the log-probability.
const char* effect(const Findings& findings, const std::string& suffix, int64_t layers) {
  const auto value = [&](const std::string& direction) {
    const Row* row = find_row(findings.rows, {.model = "adapted",
                                              .variant = direction + suffix,
                                              .layer = layers - 1,
                                              .component = "residual",
                                              .metric = "log_probability"});
    return row ? row->value : 0;
  };
  return value("adapted-into-frozen") < value("frozen-into-adapted") ? "takes from" : "adds to";
}

std::string place_of(int64_t layer) { return layer < 0 ? "the embedding" : fmt::format("layer {}", layer); }

struct Direction {
  const char *name, *text;
};
constexpr std::array directions = {
    Direction{"adapted-into-frozen", "The frozen model with the adapted residual stream after {} has"},
    Direction{"frozen-into-adapted", "The adapted model with the frozen residual stream after {} loses"}};

std::vector<std::string> reading_of(const Setting& setting, const Findings& findings) {
  std::vector<std::string> sentences;
  for (const auto& [suffix, head] :
       {std::pair{"", ""}, std::pair{"-head-refitted", "Under a head refitted to both models: "}})
    for (const auto& [name, text] : directions) {
      const std::string variant = std::string(name) + suffix;
      const int64_t layer = first_lasting_half(findings, variant, setting.layers);
      const Row* row = share_row(findings, variant, layer);
      if (!row) continue;
      sentences.push_back(fmt::format(
          "{}{} {} of what the adaptation {} the log-probability of the true class; from there on at least one "
          "half.",
          head, fmt::format(fmt::runtime(text), place_of(layer)), percent_words(*row),
          effect(findings, suffix, setting.layers)));
      if (has_interval(*row) && !differs_from_zero(*row))
        sentences.back() += " The interval includes 0: whether this patch moves anything cannot be told.";
    }
  return sentences;
}

std::vector<Figure> figures_of() {
  std::vector<Figure> figures;
  for (const auto& [metric, name, title, y] :
       {std::array{"recovered", "patching-recovered", "Share of the adaptation's effect that one patch moves", "share"},
        std::array{"log_probability", "patching-log-probability", "Log-probability of the true class after a patch",
                   "nats"},
        std::array{"uar", "patching-uar", "UAR after a patch", "UAR"}}) {
    Figure f{.name = name, .title = title, .y_title = y};
    f.where = {{"metric", {metric}}, {"variant", {directions[0].name, directions[1].name}}};
    f.color = "variant";
    f.facet = "component";
    figures.push_back(std::move(f));
  }
  return figures;
}

}  // namespace

void describe_patching(const Setting& setting, Findings& findings) {
  findings.measures =
      "Log-probability of the true class and UAR when one layer's residual stream, attention output or MLP output is "
      "replaced by that of the other model for the same clip, and the share of the adaptation's effect that it moves.";
  findings.source = "Vig et al., 2020; Meng et al., 2022 (activation patching)";
  findings.caveat =
      "A patch can bring a layer into states that it never sees, and a share depends on the head that reads the "
      "states. Shares of different layers do not add up.";
  findings.reading = reading_of(setting, findings);
  findings.figures = figures_of();
}

}  // namespace loralens
