// SPDX-License-Identifier: Apache-2.0
#include "analysis/components/words.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/components/edits.h"
#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

const Row* row_of(const Findings& findings, const char* component, std::optional<int64_t> layer, const char* metric,
                  const std::string& variant = "") {
  return find_row(findings.rows,
                  {.model = "adapted", .variant = variant, .layer = layer, .component = component, .metric = metric});
}

// The first components that recover most of what all of them add.
void add_truncation(int64_t most, Findings& findings) {
  const Row *all = row_of(findings, "truncate", most, "log_probability"),
            *none = row_of(findings, "truncate", 0, "log_probability");
  if (!all || !none || all->value <= none->value) return;  // there is no gain to recover
  for (int64_t k = 1; k < most; ++k) {
    const Row* row = row_of(findings, "truncate", k, "recovered");
    if (!row || row->value < 0.9) continue;
    findings.reading.push_back(fmt::format(
        "With the first {} of at most {} components of each update, the model keeps {} of what all components add to "
        "the log-probability of the true class.",
        k == 1 ? "one" : std::to_string(k), most, percent_words(*row)));
    return;
  }
}

// The component whose removal costs the most.
void add_removal(int64_t most, Findings& findings) {
  const std::string removed = lambda_name(0);
  const Row* worst = nullptr;
  for (int64_t i = 1; i <= std::min(most, leading_components); ++i)
    if (const Row* row = row_of(findings, "scale", i, "change", removed); row && (!worst || row->value < worst->value))
      worst = row;
  if (!worst) return;
  const Row* predicted = row_of(findings, "scale", worst->key.layer, "first_order", removed);
  std::string text = fmt::format(
      "Without component {} of each update the log-probability of the true class changes by {:+.3f} nats{}, the lowest "
      "change of the {} leading components",
      *worst->key.layer, worst->value, interval_words(*worst, true), std::min(most, leading_components));
  if (predicted) text += fmt::format(" (to first order {:+.3f})", predicted->value);
  text += ".";
  if (has_interval(*worst) && !differs_from_zero(*worst))
    text += " The interval includes 0: whether this component matters cannot be told.";
  findings.reading.push_back(std::move(text));
}

void add_intruders(Findings& findings) {
  const std::string removed = lambda_name(0);
  const Row *count = row_of(findings, "intruders", {}, "count"),
            *intruders = row_of(findings, "intruders", {}, "change", removed),
            *ordinary = row_of(findings, "ordinary", {}, "change", removed),
            *difference = row_of(findings, "intruders-ordinary", {}, "change", removed);
  if (!count || !intruders || !ordinary || !difference) return;
  std::string text = fmt::format(
      "Removing the intruder dimensions ({:.3g} in all adapted weights, mean over models) changes the log-probability "
      "of the true class by {:+.3f} nats{}; removing as many ordinary components with nearly the same singular values "
      "changes it by {:+.3f} nats{}. The first minus the second is {:+.3f}{}.",
      count->value, intruders->value, interval_words(*intruders, true), ordinary->value,
      interval_words(*ordinary, true), difference->value, interval_words(*difference, true));
  if (has_interval(*difference))
    text += differs_from_zero(*difference) ? fmt::format(" For these models the {} cost more.",
                                                         difference->value < 0 ? "intruders" : "ordinary ones")
                                           : " The interval includes 0: which of them cost more cannot be told.";
  findings.reading.push_back(std::move(text));
}

std::vector<Figure> figures_of() {
  Figure kept{.name = "components-kept", .title = "Log-probability of the true class with some components of ΔW"};
  kept.where = {{"metric", {"log_probability"}}, {"component", {"truncate", "keep"}}};
  kept.x_title = "truncate: number of components, keep: the only one";
  kept.y_title = "nats";
  kept.color = "component";
  Figure scaled{.name = "components-scaled", .title = "Change of the log-probability when one component is scaled"};
  std::vector<std::string> numbers;
  for (int64_t i = 1; i <= leading_components; ++i) numbers.push_back(std::to_string(i));
  scaled.where = {{"metric", {"change"}}, {"component", {"scale"}}, {"layer", numbers}};
  scaled.x_title = "component";
  scaled.y_title = "nats";
  scaled.color = "variant";
  Figure sensitivity{.name = "components-sensitivity", .title = "Derivative of the loss by the scale of a layer's ΔW"};
  sensitivity.where = {{"metric", {"sensitivity"}}, {"variant", {""}}};
  sensitivity.y_title = "nats";
  sensitivity.color = "module";
  return {kept, scaled, sensitivity};
}

}  // namespace

void describe_components(int64_t most, Findings& findings) {
  findings.measures =
      "Log-probability of the true class and UAR with the update ΔW of all adapted linear layers truncated, reduced to "
      "one singular component or with one component scaled; the loss's derivative by each layer's components; the same "
      "for intruder dimensions of W + ΔW and ordinary components of nearly equal singular value.";
  findings.source = "Shuttleworth et al., 2024 (scaling of intruder dimensions)";
  findings.caveat =
      "Exploratory: the component and the number of components that the text names are chosen among several, without "
      "an adjustment. The head and the other components were trained with all components, so a loss need not mean that "
      "a component holds the emotion. An ordinary component of W + ΔW holds part of the base weight W; its removal can "
      "damage what the base model does for all speech.";
  if (findings.rows.empty()) return;
  add_truncation(most, findings);
  add_removal(most, findings);
  add_intruders(findings);
  findings.figures = figures_of();
}

}  // namespace loralens
