// SPDX-License-Identifier: Apache-2.0
#include "analysis/difference_lens/words.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

std::vector<std::string> reading_of(const Setting& setting, const std::string& source, const Findings& findings) {
  std::vector<std::string> sentences;
  const int64_t last = setting.layers - 1;
  const auto find = [&](const std::string& variant, int64_t layer, const char* component, const char* metric) {
    return find_row(findings.rows,
                    {.model = "adapted", .variant = variant, .layer = layer, .component = component, .metric = metric});
  };
  if (const Row* share = find("test", last, "delta", "constant_share"))
    sentences.push_back(fmt::format(
        "After the last layer {} of the squared difference between the adapted and the frozen model's pooled states is "
        "the same for all test clips.",
        share->value > 0 ? fmt::format("{:.0f} %", 100 * share->value) : "no part"));
  const auto end = [&](const char* model) {
    return find_row(findings.rows, {.model = model, .component = "none", .metric = "log_probability"});
  };
  const Row *adapted = end("adapted"), *frozen = end("frozen");
  if (!adapted || !frozen || adapted->value <= frozen->value) return sentences;  // there is no gain to recover
  const Row* best = nullptr;
  for (int64_t layer = 0; layer < setting.layers; ++layer)
    if (const Row* row = find(source, layer, "steered", "recovered"); row && (!best || row->value > best->value))
      best = row;
  if (!best) return sentences;
  sentences.push_back(
      fmt::format("The mean difference of {} clips, added to the frozen model after layer {}, recovers {} of what the "
                  "adaptation adds to the log-probability of the true class, the most of all layers.",
                  source, *best->key.layer, percent_words(*best)));
  if (has_interval(*best) && !differs_from_zero(*best))
    sentences.back() += " The interval includes 0: whether it recovers anything cannot be told.";
  if (const Row* steered = find(source, *best->key.layer, "steered", "log_probability");
      steered && steered->null_draws > 0)
    sentences.back() += fmt::format(
        " With it the log-probability is {:.3f}; with {} random directions of the same norm, {:.3f} to {:.3f}.",
        steered->value, steered->null_draws, steered->null_low, steered->null_high);
  return sentences;
}

std::vector<Figure> figures_of(const std::string& source, const std::vector<Row>& rows) {
  std::vector<Figure> figures;
  const auto add = [&](const char* metric, const char* name, const char* title, const char* y,
                       std::vector<std::string> variants) {
    if (std::ranges::none_of(rows, [&](const Row& row) { return row.key.metric == metric; })) return;
    Figure f{.name = name, .title = title, .y_title = y, .color = "variant"};
    f.where = {{"metric", {metric}}, {"variant", std::move(variants)}};
    figures.push_back(std::move(f));
  };
  add("recovered", "difference-lens-recovered", "Share of the gain that the mean difference recovers", "share",
      {source});
  add("log_probability", "difference-lens-log-probability",
      "Log-probability of the true class with the mean difference added to the frozen model", "nats", {source});
  add("constant_share", "difference-lens-constant", "Share of the squared difference that is the same for all clips",
      "share", {"reference", "training", "test"});
  return figures;
}

}  // namespace

void describe_difference_lens(const Setting& setting, const std::string& source, Findings& findings) {
  findings.measures =
      "The mean difference between the adapted and the frozen model's states in each layer: how much of the "
      "differences it explains, what the head reads in it, and what it recovers when it is added to the frozen model.";
  findings.source = "nostalgebraist, 2020 (lens); Turner et al., 2023 (activation addition)";
  findings.caveat =
      "The mean is over positions and clips, so a change that follows the time course of speech counts as one that "
      "depends on the clip. Training clips trained the adapter, so their mean difference may favour it. The largest "
      "recovered share is not adjusted for the choice among the layers. Random directions are too few for a p value.";
  if (findings.rows.empty()) return;
  findings.reading = reading_of(setting, source, findings);
  findings.figures = figures_of(source, findings.rows);
}

}  // namespace loralens
