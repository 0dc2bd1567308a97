// SPDX-License-Identifier: Apache-2.0
#include "analysis/steering/words.h"

#include <fmt/format.h>

#include "analysis/curves.h"
#include "analysis/steering/doses.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

class Rows {
 public:
  Rows(const std::vector<Row>& rows, std::string model) : rows_(rows), model_(std::move(model)) {}
  const Row* find(double dose, std::optional<int64_t> layer, const char* component, const char* metric) const {
    return find_row(
        rows_, {.model = model_, .variant = dose_name(dose), .layer = layer, .component = component, .metric = metric});
  }

 private:
  const std::vector<Row>& rows_;
  std::string model_;
};

// The sentences about one model: the layer in which the directions steer most, and random directions there.
void add_reading(const Setting& setting, const std::string& model, Findings& findings) {
  const Rows rows(findings.rows, model);
  const Row* best = nullptr;
  for (int64_t layer = 0; layer < setting.layers; ++layer)
    if (const Row* row = rows.find(1, layer, "all", "control"); row && (!best || row->value > best->value)) best = row;
  if (!best) return;
  const int64_t layer = *best->key.layer;
  const Row *after = rows.find(1, layer, "others", "probability"), *before = rows.find(0, {}, "others", "probability"),
            *change = rows.find(1, layer, "others", "change"), *own = rows.find(1, layer, "own", "change"),
            *one = rows.find(steering_null_dose, layer, "one-other", "probability");
  if (!after || !before || !change || !own || !one) return;
  std::string text = fmt::format(
      "In the {} model the differences of class means control the answer most if they are added after layer {} (dose "
      "1): the mean probability of the target class in clips of other classes is {:.3f} instead of {:.3f}, a change of "
      "{:+.3f}{}; in clips of the target class it changes by {:+.3f}{}.",
      model, layer, after->value, before->value, change->value, interval_words(*change, true), own->value,
      interval_words(*own, true));
  if (has_interval(*change) && !differs_from_zero(*change))
    text += " The first interval includes 0: whether the directions raise it on new speakers cannot be told.";
  findings.reading.push_back(std::move(text));
  if (one->null_draws == 0) return;
  findings.reading.push_back(fmt::format(
      "With each clip steered there towards one other class, the probability is {:.3f}; with random directions of the "
      "same norm, {:.3f} to {:.3f} (95 % of {}; p = {:.3f}, adjusted over the layers). {}",
      one->value, one->null_low, one->null_high, one->null_draws, one->p_adjusted,
      one->p_adjusted < 0.05 ? "The directions move the answers further than random ones do."
                             : "Whether they move the answers further than random ones do cannot be told."));
}

std::vector<Figure> figures_of() {
  std::vector<std::string> variants;
  for (const double dose : steering_doses) variants.push_back(dose_name(dose));
  Figure control{.name = "steering-control", .title = "Control of the answer by the differences of class means"};
  control.y_title = "control: 0 none, 1 whole";
  control.where = {{"metric", {"control"}}, {"variant", variants}};
  Figure others{.name = "steering-others", .title = "Probability of the target class in clips of other classes"};
  others.y_title = "probability";
  others.where = {{"metric", {"probability"}}, {"component", {"others"}}, {"class", {""}}, {"variant", variants}};
  for (Figure* figure : {&control, &others}) {
    figure->color = "variant";
    figure->facet = "model";
  }
  Figure null{.name = "steering-null", .title = "Each clip steered towards one other class (dose 1), and at random"};
  null.y_title = "probability";
  null.where = {{"component", {"one-other"}}, {"variant", {dose_name(steering_null_dose)}}};
  return {control, others, null};
}

}  // namespace

void describe_steering(const Setting& setting, Findings& findings) {
  findings.measures =
      "Probability of a class when the difference between its mean state and that of the other classes, taken from "
      "training clips, is added to the states of test clips after one layer, for several multiples of it (doses).";
  findings.source = "Turner et al., 2023 (activation addition); Marks and Tegmark, 2024 (difference of means)";
  findings.caveat =
      "p compares with random directions: a small p shows that the answer depends on this direction more than on most, "
      "not that the model uses it in unchanged clips. It says nothing about other speakers; the intervals do. Large "
      "doses "
      "bring a layer into states that it never sees. The training clips trained the adapter, so differences of adapted "
      "states may be larger in them than in new speech. The layer named in the text is the best of all.";
  if (findings.rows.empty()) return;
  for (const char* model : {"adapted", "frozen"}) add_reading(setting, model, findings);
  findings.figures = figures_of();
}

}  // namespace loralens
