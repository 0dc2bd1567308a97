// SPDX-License-Identifier: Apache-2.0
#include "analysis/probes/words.h"

#include <fmt/format.h>

#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

std::string score_words(const Row& row) {
  return fmt::format("{:.3f}{}, where permuted labels give {:.3f} to {:.3f}", row.value, interval_words(row, false),
                     row.null_low, row.null_high);
}

// The last layer of both models, for one concept.
std::vector<std::string> sentences_of(const Setting& setting, const std::vector<Row>& rows, const char* name,
                                      const char* where) {
  const auto find = [&](const char* model) {
    return find_row(rows, {.model = model, .layer = setting.layers - 1, .component = name, .metric = "uar"});
  };
  const Row *adapted = find("adapted"), *frozen = find("frozen"), *difference = find("adapted-frozen");
  if (!adapted || !frozen || !difference) return {};
  std::string text = fmt::format("Probes of the {} in the last layer, UAR on {}: adapted {}; frozen {}.", name, where,
                                 score_words(*adapted), score_words(*frozen));
  for (const auto& [row, model] : {std::pair{adapted, "adapted"}, std::pair{frozen, "frozen"}})
    if (row->value <= row->null_high)
      text += fmt::format(" The {} model's score is not above those of permuted labels.", model);
  if (!has_interval(*difference))
    text += fmt::format(" Their difference of {:+.3f} has no interval, so whether the models differ cannot be told.",
                        difference->value);
  else if (differs_from_zero(*difference))
    text += fmt::format(" The difference is {:+.3f}{}.", difference->value, interval_words(*difference, true));
  else
    text += fmt::format(" Whether the models differ cannot be told: {:+.3f}{}.", difference->value,
                        interval_words(*difference, true));
  return {std::move(text)};
}

}  // namespace

void describe_probes(const Setting& setting, Findings& findings) {
  findings.measures =
      "UAR of linear probes for emotion, gender, text and speaker, fitted to the mean states of training clips in each "
      "layer, and its excess over probes that are fitted to permuted labels (selectivity).";
  findings.source = "Alain and Bengio, 2017 (probes); Hewitt and Liang, 2019 (controls)";
  findings.caveat =
      "Exploratory: layers and concepts were not chosen in advance. A model need not use what a probe can read. The "
      "training clips also trained the adapter, which separates them better than other clips. Speakers are read among "
      "clips that trained the adapter, of texts that the probe was not fitted on.";
  for (const auto& [name, where] :
       {std::pair{"emotion", "test clips"}, std::pair{"gender", "test clips"}, std::pair{"text", "test clips"},
        std::pair{"speaker", "training clips of other texts"}})
    for (std::string& sentence : sentences_of(setting, findings.rows, name, where))
      findings.reading.push_back(std::move(sentence));
  for (const auto& [metric, name, title, y] :
       {std::array{"uar", "probes-uar", "UAR of linear probes of each layer", "UAR"},
        std::array{"selectivity", "probes-selectivity", "UAR of probes minus that of probes of permuted labels",
                   "UAR difference"}}) {
    Figure f{.name = name, .title = title, .y_title = y, .facet = "component"};
    f.where = {{"metric", {metric}}, {"model", {"adapted", "frozen"}}};
    findings.figures.push_back(std::move(f));
  }
}

}  // namespace loralens
