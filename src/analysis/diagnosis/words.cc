// SPDX-License-Identifier: Apache-2.0
#include "analysis/diagnosis/words.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "analysis/diagnosis/rules.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

std::string summary_of(const Diagnoses& found) {
  const std::array<std::pair<const char*, Verdict>, 3> all = {{{"weak adaptation", found.weak},
                                                               {"vanishing gradients", found.vanishing},
                                                               {"over-specialisation", found.over_specialised}}};
  std::string text;
  for (const Verdict verdict : {Verdict::found, Verdict::absent, Verdict::unknown}) {
    std::string names;
    for (const auto& [name, of] : all)
      if (of == verdict) names += (names.empty() ? "" : ", ") + std::string(name);
    if (!names.empty()) text += (text.empty() ? "" : "; ") + words_of(verdict) + ": " + names;
  }
  text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  return text + ".";
}

}  // namespace

void describe_diagnosis(const std::string& frozen_head, Findings& findings) {
  findings.measures =
      "Three faults of a training, each by a rule: weak adaptation (the answers are those without adapters), vanishing "
      "gradients (they do not reach the lower adapted layers), over-specialisation (worse than the frozen encoder on "
      "new speakers and much better on training clips).";
  findings.source = "rules of this program; the three faults after arXiv 2509.08454";
  findings.caveat =
      "The limits are conventions. A rule sees one training's outcome, not its cause: the training named with each "
      "finding is the test. Gradients are those of the trained model, not of each step (dynamics shows steps).";
  const Diagnoses found = diagnose(findings.rows);
  if (!found.change) return;
  findings.reading.push_back(summary_of(found));
  findings.reading.push_back(fmt::format(
      "Weak adaptation, {}: without the adapters the probabilities of the answers differ by {:.3f}{} (total "
      "variation, mean over test clips; weak below {}). Test: a training with ten times the learning rate, or more "
      "epochs, gains more.",
      words_of(found.weak), found.change->value, interval_words(*found.change, false), weak_below));
  if (found.gradient)
    findings.reading.push_back(fmt::format(
        "Vanishing gradients, {}: the gradient of a random direction at the logits is smallest after layer {}, where "
        "its norm is {:.3g} times that after the last layer (log10 {:+.2f}{}; vanishing below {}). Test: adapters in "
        "the lower layers alone gain less than those in the upper layers.",
        words_of(found.vanishing), *found.gradient->key.layer, std::pow(10, found.gradient->value),
        found.gradient->value, interval_words(*found.gradient, true), vanishing_below_log10));
  if (found.difference)
    findings.reading.push_back(fmt::format(
        "Over-specialisation, {}: the UAR on test clips minus that of the frozen encoder ({}) is {}, and it is {:.3f} "
        "below that on training clips (over-specialised if the first is below 0 and the second above {}). Test: fewer "
        "epochs, a lower rate or fewer adapted layers gain more.",
        words_of(found.over_specialised),
        frozen_head == "head-frozen" ? "its head of the last layer" : "a head refitted on training clips",
        signed_words(*found.difference), found.gap, training_gap_above));
  Figure gradient{.name = "diagnosis-gradient",
                  .title = "Gradient of a random direction at the logits, relative to the last layer"};
  gradient.y_title = "log10 of the ratio of norms";
  gradient.where = {{"metric", {"log10_gradient_ratio"}}};
  findings.figures.push_back(std::move(gradient));
}

}  // namespace loralens
