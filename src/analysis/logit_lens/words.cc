// SPDX-License-Identifier: Apache-2.0
#include "analysis/logit_lens/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

std::vector<Figure> figures_of(const LensForm& form, bool tuned) {
  struct Shape {
    const char *metric, *name, *title, *y;
  };
  std::vector<Shape> shapes = {
      {"kl", "logit-lens-kl", "KL of each layer's prediction from the final one", "KL, nats"},
      {"overlap", "logit-lens-overlap", "Clips with the final prediction already", "share of clips"}};
  if (form.scores_too) {
    shapes.push_back({"accuracy", "logit-lens-accuracy", "Accuracy of each layer's prediction", "accuracy"});
    shapes.push_back({"uar", "logit-lens-uar", "UAR of each layer's prediction", "UAR"});
    shapes.push_back({"entropy", "logit-lens-entropy", "Entropy of each layer's prediction", "entropy, nats"});
  }
  shapes.push_back({"logit", "logit-lens-logits", "Mean logit of each class", "logit"});
  std::vector<Figure> figures;
  for (const auto& [metric, name, title, y] : shapes) {
    Figure figure{.name = name, .title = title, .y_title = y};
    figure.where.push_back({"metric", {metric}});
    if (std::string_view(metric) == "logit") {
      figure.color = "class";
      figure.facet = "model";
    } else if (tuned) {
      figure.dash = "variant";
      if (std::string_view(metric) == "kl" || std::string_view(metric) == "overlap")
        figure.where.push_back({"variant", {"", "tuned", "tuned-permuted"}});
      else
        figure.where.push_back({"variant", {"", "tuned", "refitted", "adapted-head"}});
    }
    figures.push_back(std::move(figure));
  }
  return figures;
}

// The UAR of the last layer of both models under each head. Under refitted heads the models differ only in their
// states.
std::string heads_text(int64_t last, const std::vector<Row>& rows) {
  const auto score = [&](const char* model, const char* variant) {
    const Row* row = find_row(rows, {.model = model, .variant = variant, .layer = last, .metric = "uar"});
    return row ? fmt::format("{:.3f}{}", row->value, interval_words(*row, false)) : std::string();
  };
  const std::string refitted = score("adapted", "refitted"), frozen_refitted = score("frozen", "refitted");
  if (refitted.empty() || frozen_refitted.empty()) return {};
  std::string text = fmt::format(
      "UAR of the last layer. Adapted: {} under its own head, {} under a head refitted on "
      "training clips. Frozen: {} under its own head, {} refitted",
      score("adapted", ""), refitted, score("frozen", ""), frozen_refitted);
  if (const std::string other = score("frozen", "adapted-head"); !other.empty())
    text += fmt::format(", {} under the adapted model's head", other);
  return text + ".";
}

// The layers at which a linear map can read the labels, whatever the model's own head reads.
std::string refitted_text(int64_t first, int64_t last, const std::vector<Row>& rows) {
  std::string text;
  for (const char* model : {"adapted", "frozen"}) {
    const auto at_layer = [&](int64_t layer) {
      return find_row(rows, {.model = model, .variant = "refitted", .layer = layer, .metric = "uar"});
    };
    const Row* best = nullptr;
    for (int64_t layer = first; layer <= last; ++layer)
      if (const Row* row = at_layer(layer); row && (!best || row->value > best->value)) best = row;
    if (!best) return {};
    text += text.empty() ? "UAR under heads refitted to each layer: " : "";
    std::string list;
    for (const int64_t layer : std::set<int64_t>{first, *best->key.layer, last})
      list += fmt::format("{}{:.3f} {}{}", list.empty() ? "" : ", ", at_layer(layer)->value,
                          layer < 0      ? "at the embedding"
                          : layer < last ? fmt::format("after layer {}", layer)
                                         : "after the last layer",
                          layer == *best->key.layer ? " (the highest)" : "");
    text += fmt::format("{} {}", model, list);
    text += std::string_view(model) == "adapted" ? "; " : ".";
  }
  return text;
}

std::vector<std::string> reading_of(const LensForm& form, int64_t layers, const std::vector<Row>& rows) {
  std::vector<std::string> sentences;
  const int64_t first = form.first_state - 1, last = layers - 1;
  const std::string start = first < 0 ? "the embedding" : fmt::format("layer {}", first);
  for (const std::string model : {"adapted", "frozen"}) {
    const auto value = [&](const char* metric, int64_t layer, const char* variant = "") {
      const Row* row = find_row(rows, {.model = model, .variant = variant, .layer = layer, .metric = metric});
      return row ? row->value : std::numeric_limits<double>::quiet_NaN();
    };
    if (std::isnan(value("kl", last))) continue;
    int64_t settled = last + 1;
    while (settled > first && value("overlap", settled - 1) >= 0.9) --settled;
    std::string text = model == "adapted" ? "Adapted: " : "Frozen: ";
    if (settled == last && form.final_norm)  // the last layer gives the final prediction by definition
      text += "no layer before the last gives the final prediction for 90 % of clips";
    else if (settled > last)
      text += "no layer gives the final prediction for 90 % of clips";
    else
      text += fmt::format("the prediction is settled from {} on (the same as the final one for at least 90 % of clips)",
                          settled < 0 ? "the embedding" : fmt::format("layer {}", settled));
    text += fmt::format(
        "; KL to the final prediction goes from {:.2f} nats at {} to {:.2f} in the layer before the last and "
        "{:.2f} in the last",
        value("kl", first), start, value("kl", std::max(first, last - 1)), value("kl", last));
    if (form.scores_too) {
      const auto accuracy = [&](int64_t layer) {
        const Row* row = find_row(rows, {.model = model, .layer = layer, .metric = "accuracy"});
        return row ? fmt::format("{:.3f}{}", row->value, interval_words(*row, false)) : "unknown";
      };
      text += fmt::format("; accuracy of all clips together from {} to {}", accuracy(first), accuracy(last));
    }
    sentences.push_back(text + ".");
    if (std::isnan(value("kl", first, "tuned"))) continue;
    const auto mean = [&](const char* metric, const char* variant) {
      double sum = 0;
      for (int64_t l = first; l < last; ++l) sum += value(metric, l, variant);
      return sum / static_cast<double>(last - first);
    };
    int64_t more = 0;
    for (int64_t l = first; l < last; ++l) more += value("kl", l, "tuned") < value("kl", l, "tuned-permuted");
    sentences.push_back(fmt::format(
        "{} through the tuned lens: mean KL below the last layer {:.2f} nats, against {:.2f} through the plain one and "
        "{:.2f} through the same map fitted to permuted answers (a control of one permutation a layer and fold; the "
        "tuned lens is nearer to the final prediction in {} of {} layers); it gives the final prediction for {:.0f} % "
        "of the clips, the other two for {:.0f} and {:.0f} %.",
        model == "adapted" ? "Adapted" : "Frozen", mean("kl", "tuned"), mean("kl", ""), mean("kl", "tuned-permuted"),
        more, last - first, 100 * mean("overlap", "tuned"), 100 * mean("overlap", ""),
        100 * mean("overlap", "tuned-permuted")));
  }
  return sentences;
}

}  // namespace

void describe_logit_lens(const LensForm& form, int64_t layers, bool tuned, Findings& findings) {
  findings.measures =
      form.final_norm
          ? "Predictions of the model's head from each layer's normed output, read like the last layer's."
          : "Predictions of the model's head from the mean over frames of each layer's output, without the final norm.";
  findings.source = form.tuned_too ? "nostalgebraist, 2020; tuned lens: Belrose et al., 2023"
                                   : "arXiv 2509.08454; nostalgebraist, 2020";
  findings.caveat = fmt::format(
      "The lens reads every layer through the {}. It cannot see information that an early layer encodes in "
      "other directions, so a plain lens is biased at early layers{}.",
      form.final_norm ? "last layer's norm and head" : "head, without the last layer's norm",
      form.tuned_too
          ? "; the tuned lens corrects an affine change of basis or a shift, as far as its training clips "
            "allow. Heads are refitted on clips that trained the adapter, where its states are separated better "
            "than on test clips: equal scores under refitted heads do not show that the states are equal"
          : "");
  if (findings.rows.empty()) return;
  findings.figures = figures_of(form, tuned);
  findings.reading = {refitted_text(form.first_state - 1, layers - 1, findings.rows),
                      heads_text(layers - 1, findings.rows)};
  std::erase(findings.reading, "");
  for (std::string& sentence : reading_of(form, layers, findings.rows)) findings.reading.push_back(std::move(sentence));
}

}  // namespace loralens
