// SPDX-License-Identifier: Apache-2.0
#include "analysis/concept_erasure/words.h"

#include <fmt/format.h>

#include <array>

#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

const Row* find(const Findings& findings, const std::string& name, const std::string& variant, int64_t layer) {
  return find_row(
      findings.rows,
      {.model = "adapted", .variant = variant, .layer = layer, .component = name, .metric = "log_probability"});
}

// Whether an erasure costs more than each null distribution: the interval of its excess lies below 0, and the excess is
// more than twice the standard error that the finite number of draws leaves.
bool costs_more(const Findings& findings, const std::string& name, int64_t layer) {
  for (const char* null : {"permuted", "random-subspace"}) {
    const Row* excess = find(findings, name, excess_of(null), layer);
    const Row* error = find(findings, name, std::string(null) + "-standard-error", layer);
    if (!excess || !error || !has_interval(*excess) || excess->high >= 0 || excess->value > -2 * error->value)
      return false;
  }
  return true;
}

std::string place_of(int64_t layer) { return layer < 0 ? "the embedding" : fmt::format("layer {}", layer); }

std::string sentence_of(const Setting& setting, const Findings& findings, const std::string& name) {
  std::string costly;
  const Row* worst = nullptr;
  for (int64_t layer = -1; layer < setting.layers; ++layer) {
    const Row* change = find(findings, name, "change", layer);
    if (change && (!worst || change->value < worst->value)) worst = change;
    if (change && costs_more(findings, name, layer)) costly += (costly.empty() ? "" : ", ") + place_of(layer);
  }
  if (!worst) return {};
  const int64_t layer = *worst->key.layer;
  std::string text = fmt::format(
      "Erasing the {} after {}, where it costs most, changes the log-probability of the true class by {:+.3f}{}", name,
      place_of(layer), worst->value, interval_words(*worst, true));
  const Row *permuted = find(findings, name, excess_of("permuted"), layer),
            *random = find(findings, name, excess_of("random-subspace"), layer);
  if (permuted && random)
    text += fmt::format("; {:+.3f}{} beyond maps of permuted labels, {:+.3f}{} beyond random subspaces",
                        permuted->value, interval_words(*permuted, true), random->value, interval_words(*random, true));
  if (costly.empty())
    return text + fmt::format(
                      ". In no layer does it certainly cost more than both: whether the {} is used cannot be "
                      "told.",
                      name);
  return text + fmt::format(
                    ". It costs more than both after {} (not adjusted for the number of layers): there the "
                    "model uses what is erased with the {}.",
                    costly, name);
}

}  // namespace

std::string excess_of(const std::string& null) { return null + "-excess"; }

void describe_concept_erasure(const Setting& setting, Findings& findings) {
  findings.measures =
      "Log-probability of the true class and UAR when a concept (emotion, speaker, gender, text) is erased from one "
      "layer's residual stream, so that no linear map can read it from the training clips, beside maps that erase as "
      "many directions without the concept.";
  findings.source = "Belrose et al., 2023 (LEACE)";
  findings.caveat =
      "Exploratory. What is erased is linear, and correlated concepts go with it: speakers carry genders, and an "
      "emotion's direction may be one of loudness. The maps are fitted on training clips, so concepts of new speakers "
      "may stay partly. Layers above can compute a concept again from what is not linear. The intervals leave out the "
      "choice of the random draws.";
  if (findings.rows.empty()) return;
  for (const char* name : {"emotion", "speaker", "gender", "text"})
    if (std::string sentence = sentence_of(setting, findings, name); !sentence.empty())
      findings.reading.push_back(std::move(sentence));
  for (const auto& [metric, variants, name, title, y] :
       {std::tuple{"log_probability", std::vector<std::string>{"", "permuted", "random-subspace"},
                   "concept-erasure-log-probability", "Log-probability of the true class after erasing a concept",
                   "nats"},
        std::tuple{"uar", std::vector<std::string>{"", "permuted", "random-subspace"}, "concept-erasure-uar",
                   "UAR after erasing a concept", "UAR"}}) {
    Figure f{.name = name, .title = title, .y_title = y, .color = "variant", .facet = "component"};
    f.where = {{"metric", {metric}}, {"variant", variants}, {"component", {"emotion", "speaker", "gender", "text"}}};
    findings.figures.push_back(std::move(f));
  }
}

}  // namespace loralens
