// SPDX-License-Identifier: Apache-2.0
#include "analysis/neurons/words.h"

#include <fmt/format.h>

#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

void add_reading(const std::string& model, Findings& findings) {
  const auto find = [&](const char* component) {
    return find_row(findings.rows,
                    {.model = model, .variant = "silenced", .component = component, .metric = "loss_increase"});
  };
  const Row *own = find("own"), *others = find("others"), *difference = find("own-others"),
            *one = find("own-one-other");
  if (!own || !others || !difference || !one) return;
  std::string text = fmt::format(
      "In the {} model, silencing the units that respond most to a class raises the cross-entropy by {:+.3f} nats{} in "
      "clips of this class and by {:+.3f}{} in clips of other classes, a difference of {:+.3f}{}.",
      model, own->value, interval_words(*own, true), others->value, interval_words(*others, true), difference->value,
      interval_words(*difference, true));
  if (has_interval(*difference) && !differs_from_zero(*difference))
    text += " The last interval includes 0: whether the units matter more for their own class cannot be told.";
  findings.reading.push_back(std::move(text));
  if (one->null_draws == 0 || own->null_draws == 0) return;
  findings.reading.push_back(fmt::format(
      "Of {} sets of as many random units, 95 % raise it by {:+.3f} to {:+.3f} (p of the chosen ones = {:.3f}) and by "
      "{:+.3f} to {:+.3f} more for one class than for one other, against {:+.3f} for the chosen ones (p = {:.3f}; both "
      "p adjusted for the two comparisons). {}",
      own->null_draws, own->null_low, own->null_high, own->p_adjusted, one->null_low, one->null_high, one->value,
      one->p_adjusted,
      one->p_adjusted < 0.05 ? "The chosen units are more specific to their class than random ones."
                             : "Whether they are more specific to their class than random ones cannot be told."));
}

std::vector<Figure> figures_of() {
  Figure losses{.name = "neurons-loss", .title = "Rise in loss when a class's units are silenced or amplified"};
  losses.kind = Figure::Kind::bars;
  losses.where = {{"metric", {"loss_increase"}},
                  {"variant", {"silenced", "amplified"}},
                  {"component", {"own", "others"}},
                  {"class", {""}}};
  losses.x = "component";
  losses.x_title = "clips of the units' class, of other classes";
  losses.y_title = "nats";
  losses.color = "model";
  losses.facet = "variant";
  Figure selectivity{.name = "neurons-selectivity", .title = "Selectivity of the chosen units, mean over units"};
  selectivity.where = {{"metric", {"selectivity"}}, {"model", {"adapted"}}};
  selectivity.y_title = "standard deviations of training clips";
  selectivity.color = "class";
  selectivity.facet = "variant";
  return {losses, selectivity};
}

}  // namespace

void describe_neurons(Findings& findings) {
  findings.measures =
      "Rise in loss when the units of the MLPs' hidden layers that respond most to a class, chosen on training clips, "
      "are silenced or doubled in all layers, in clips of this class and of others; beside as many random units.";
  findings.source = "Dalvi et al., 2019; Bau et al., 2020 (ablation of selected units)";
  findings.caveat =
      "Exploratory. Silencing sets an activation to 0, which may be far from its usual values, and random units are "
      "not matched in how active they are, so p of the rise compares selected with typical units. A class may be held "
      "by many units of which none is needed. p compares sets of units, not speakers. Amplified units have no null.";
  if (findings.rows.empty()) return;
  for (const char* model : {"adapted", "frozen"}) add_reading(model, findings);
  findings.figures = figures_of();
}

}  // namespace loralens
