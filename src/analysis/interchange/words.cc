// SPDX-License-Identifier: Apache-2.0
#include "analysis/interchange/words.h"

#include <fmt/format.h>

#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

// The rows of one model under one head.
class Rows {
 public:
  Rows(const std::vector<Row>& rows, std::string model, std::string variant)
      : rows_(rows), model_(std::move(model)), variant_(std::move(variant)) {}
  const Row* find(int64_t layer, const std::string& component) const {
    return find_row(
        rows_, {.model = model_, .variant = variant_, .layer = layer, .component = component, .metric = "follows"});
  }
  // Whether more answers follow than with each null distribution: the interval of the excess lies above 0, and the
  // excess is more than three times its standard error over searches.
  bool carries(int64_t layer) const {
    for (const char* null : {"permuted", "random"}) {
      const Row *excess = find(layer, excess_over(null)), *error = find(layer, std::string(null) + "-standard-error");
      if (!excess || !error || !has_interval(*excess) || excess->low <= 0 || excess->value <= 3 * error->value)
        return false;
    }
    return true;
  }

 private:
  const std::vector<Row>& rows_;
  std::string model_, variant_;
};

void add_reading(const Setting& setting, const std::string& model, const std::string& variant, const std::string& head,
                 Findings& findings) {
  const Rows rows(findings.rows, model, variant);
  std::string carrying;
  int64_t first = -1, best = -1;
  for (int64_t layer = 0; layer < setting.layers; ++layer) {
    const Row* row = rows.find(layer, "subspace");
    if (!row) continue;
    if (best < 0 || row->value > rows.find(best, "subspace")->value) best = layer;
    if (!rows.carries(layer)) continue;
    if (first < 0) first = layer;
    carrying += (carrying.empty() ? "" : ", ") + std::to_string(layer);
  }
  if (best < 0) return;
  const int64_t layer = first < 0 ? best : first;
  const auto share = [&](const char* component) { return percent_words(*rows.find(layer, component)); };
  std::string text = fmt::format(
      "{} model, {} head: after the exchange of {} direction{} of the state after layer {} the answer is the source's "
      "emotion in {} of {} clips; after that of the whole mean state in {}, of directions for permuted emotions in {}, "
      "of random ones in {}. ",
      model == "adapted" ? "Adapted" : "Frozen", head, setting.classes.size() - 1,
      setting.classes.size() > 2 ? "s" : "", layer, share("subspace"), rows.find(layer, "subspace")->n,
      share("whole-mean"), share("permuted"), share("random"));
  text += first < 0 ? "There, where it is most often so, whether the directions carry the answer cannot be told, nor "
                      "in any other layer."
                    : fmt::format(
                          "It is so more often than with both kinds in {} {} (not adjusted for the number of "
                          "layers): there these directions carry the model's answer.",
                          carrying.find(',') != std::string::npos ? "layers" : "layer", carrying);
  findings.reading.push_back(std::move(text));
}

}  // namespace

std::string excess_over(const std::string& null) { return null + "-excess"; }

void describe_interchange(const Setting& setting, Findings& findings) {
  findings.measures =
      "How often the answer follows another clip of the same speaker and text when a few directions of one layer's "
      "mean state are taken from that clip.";
  findings.source = "Geiger et al., 2024 (distributed alignment search)";
  findings.caveat =
      "Exploratory. Only clips that the model answers correctly are exchanged, other ones for each model and head; in "
      "these the emotion and the answer are the same, so a model that is right by luck has such directions too. A "
      "search that finds nothing does not show that there is nothing: it is short, and layers above may undo a change "
      "that is the same at every position. The directions are found on clips that trained the adapter. The intervals "
      "leave out the choice of the random draws.";
  if (findings.rows.empty()) return;
  add_reading(setting, "adapted", "", "own", findings);
  add_reading(setting, "frozen", "head-frozen", "own", findings);
  for (const char* model : {"adapted", "frozen"}) add_reading(setting, model, "head-refitted", "refitted", findings);
  for (const auto& [variant, name, title] :
       {std::tuple{"", "interchange", "Answers that follow the source after an exchange, own head"},
        std::tuple{"head-refitted", "interchange-head-refitted",
                   "Answers that follow the source after an exchange, refitted head"}}) {
    Figure figure{.name = name, .title = title, .y_title = "share of clips", .color = "component", .facet = "model"};
    figure.where = {{"metric", {"follows"}},
                    {"variant", {variant}},
                    {"component", {"whole-mean", "subspace", "permuted", "random"}}};
    findings.figures.push_back(std::move(figure));
  }
}

}  // namespace loralens
