// SPDX-License-Identifier: Apache-2.0
#include "analysis/attribution/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

const Row* difference(const Findings& findings, const char* variant, std::optional<int64_t> layer,
                      const std::string& component) {
  return find_row(
      findings.rows,
      {.model = "adapted-frozen", .variant = variant, .layer = layer, .component = component, .metric = "logit"});
}

// "head 3 of layer 5", "the MLP of layer 4"
std::string name_of_part(const RowKey& key) {
  if (key.component == "mlp") return fmt::format("the MLP of layer {}", *key.layer);
  return fmt::format("attention head {} of layer {}", std::stoi(key.component.substr(5)), *key.layer);
}

std::string sentence_on_parts(const Findings& findings, const char* variant, const std::string& before) {
  const Row *whole = difference(findings, variant, {}, "none"),
            *attention = difference(findings, variant, {}, "attention"),
            *mlp = difference(findings, variant, {}, "mlp"),
            *embedding = difference(findings, variant, -1, "embedding");
  if (!whole || !attention || !mlp || !embedding) return "";
  return fmt::format(
      "{}The adaptation changes the logit of the true class, less the mean over classes, by {}{}: what attention adds "
      "changes it by {}, what the MLPs add by {}, the embedding, rescaled by the final norm, by {}.",
      before, signed_words(*whole),
      has_interval(*whole) && !differs_from_zero(*whole) ? ", which cannot be told from 0" : "",
      signed_words(*attention), signed_words(*mlp), signed_words(*embedding));
}

// The head or MLP whose share changes most, among all of them.
std::string sentence_on_the_largest(const Findings& findings) {
  const Row* largest = nullptr;
  int64_t count = 0;
  // Rows over all folds, or, of a single fold, those of this fold.
  const bool several =
      std::ranges::any_of(findings.rows, [](const Row& row) { return !row.fold && row.key.metric == "logit"; });
  for (const Row& row : findings.rows) {
    const RowKey& key = row.key;
    const bool change = key.model == "adapted-frozen" && key.variant.empty() && key.metric == "logit";
    if (!change || !key.layer || row.fold.has_value() == several ||
        (key.component != "mlp" && !key.component.starts_with("head-")))
      continue;
    ++count;
    if (!largest || row.value > largest->value) largest = &row;
  }
  if (!largest || largest->value <= 0) return "";
  return fmt::format(
      "Of {} heads and MLPs, {} adds most to it: {}. It was chosen after looking, so its interval is too narrow.",
      count, name_of_part(largest->key), signed_words(*largest));
}

std::vector<std::string> reading_of(const Findings& findings) {
  std::vector<std::string> sentences;
  const auto add = [&](std::string sentence) {
    if (!sentence.empty()) sentences.push_back(std::move(sentence));
  };
  add(sentence_on_parts(findings, "", ""));
  add(sentence_on_parts(findings, "head-refitted", "Under a head refitted to both models: "));
  add(sentence_on_the_largest(findings));
  if (const Row* row = find_row(findings.rows, {.model = "adapted-frozen", .metric = "rank_correlation"}))
    add(
        fmt::format("Effects estimated from gradients and those of exact patches of single attentions and MLPs have a "
                    "rank correlation of {:.2f}{}.",
                    row->value, row->value < 0.8 ? ": the estimates of single heads say little" : ""));
  return sentences;
}

std::vector<Figure> figures_of(const std::vector<Row>& rows) {
  Figure shares{.name = "attribution-logit",
                .title = "What attention and MLP of each layer add to the true class's logit"};
  shares.y_title = "logit, less the mean over classes";
  shares.facet = "component";
  shares.where = {
      {"metric", {"logit"}}, {"variant", {""}}, {"component", {"attention", "mlp"}}, {"model", {"adapted", "frozen"}}};
  Figure heads{.name = "attribution-heads",
               .title = "Change of what each attention head adds to the true class's logit"};
  heads.kind = Figure::Kind::heat_map;
  heads.y = "component";
  heads.y_title = "attention head";
  std::set<std::string> names;
  for (const Row& row : rows)
    if (row.key.component.starts_with("head-")) names.insert(row.key.component);
  heads.where = {{"metric", {"logit"}},
                 {"variant", {""}},
                 {"model", {"adapted-frozen"}},
                 {"component", {names.begin(), names.end()}}};
  Figure effects{.name = "attribution-effects",
                 .title = "Effect of one attention or MLP, estimated and by exact patches"};
  effects.y_title = "change of the log-probability in nats";
  effects.color = "metric";
  effects.facet = "component";
  effects.where = {{"metric", {"attributed", "patched"}}, {"variant", {""}}, {"component", {"attention", "mlp"}}};
  return {std::move(shares), std::move(heads), std::move(effects)};
}

}  // namespace

void describe_attribution(Findings& findings) {
  findings.measures =
      "What the embedding, each attention head, each MLP and the biases add to the logit of the true class, an exact "
      "sum; and the effect of exchanging one attention or MLP between the adapted and the frozen model.";
  findings.source = "Elhage et al., 2021 (direct logit attribution); Nanda, 2023 (attribution patching)";
  findings.caveat =
      "A part's share of the logit is what it writes for the head to read; what later layers make of it counts as "
      "theirs. The final norm is taken at its own value in each model, so a part can change its share without changing "
      "itself. Effects are estimated with two gradients; a low rank correlation with exact patches says that they are "
      "not to be trusted.";
  if (findings.rows.empty()) return;
  findings.reading = reading_of(findings);
  findings.figures = figures_of(findings.rows);
}

}  // namespace loralens
