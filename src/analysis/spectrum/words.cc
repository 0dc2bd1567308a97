// SPDX-License-Identifier: Apache-2.0
#include "analysis/spectrum/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "analysis/curves.h"
#include "analysis/words/module_words.h"

namespace loralens {
namespace {

constexpr std::array components = {"A", "B", "A-gradient", "B-gradient"};

std::set<std::string> modules_of(const std::vector<Row>& rows) {
  std::set<std::string> modules;
  for (const Row& row : rows) modules.insert(row.key.module);
  return modules;
}

bool has(const std::vector<Row>& rows, const std::string& component) {
  return std::ranges::any_of(rows, [&](const Row& row) { return row.key.component == component; });
}

// Means over layers of a quantity (a key without a module) by module.
std::map<std::string, double> by_module(const std::vector<Row>& rows, const RowKey& quantity) {
  std::map<std::string, double> values;
  for (const std::string& module : modules_of(rows)) {
    RowKey key = quantity;
    key.module = module;
    if (const Row* row = find_row(rows, key)) values[module] = row->value;
  }
  return values;
}

// "6.0 after training, 12.0 before" for a component's number of directions; "" if it is not known.
std::string after_and_before(const std::vector<Row>& rows, const char* component, const char* variant) {
  RowKey key{.model = "adapted", .variant = variant, .component = component, .metric = "sv90"};
  const std::string after = range_words(by_module(rows, key), 1);
  key.model = "untrained";
  const std::string before = range_words(by_module(rows, key), 1);
  if (after.empty() || before.empty()) return "";
  return fmt::format("{} after training, {} before", after, before);
}

std::vector<std::string> activation_reading(const std::vector<Row>& rows) {
  std::vector<std::string> sentences;
  for (const auto& [component, name] : {std::pair{"B", "B A x"},
                                        {"A", "A x"},
                                        {"B-gradient", "the gradient at B A x"},
                                        {"A-gradient", "that at A x"}}) {
    const std::string plain = after_and_before(rows, component, ""),
                      balanced = after_and_before(rows, component, "balanced");
    if (plain.empty()) continue;
    sentences.push_back(fmt::format(
        "{} {}: {}{}.", sentences.empty() ? "Components that hold 90 % of the energy, means over layers, of" : "Of",
        name, plain, balanced.empty() ? "" : "; in the balanced gauge " + balanced));
  }
  return sentences;
}

// Intruders beside those of random updates; "" if there are none to count.
std::string intruder_sentence(const std::vector<Row>& rows) {
  std::map<std::string, double> counts;
  int64_t tested = 0, more = 0;
  double smallest = 1;
  for (const std::string& module : modules_of(rows)) {
    const Row* row = find_row(rows, {.model = "adapted",
                                     .variant = "cosine-0.5",
                                     .module = module,
                                     .component = "adapted-weight",
                                     .metric = "intruders"});
    if (!row) continue;
    counts[module] = row->value;
    if (row->null_draws == 0) continue;
    ++tested;
    more += row->p_adjusted < 0.05;
    smallest = std::min(smallest, row->p_adjusted);
  }
  if (counts.empty()) return "";
  std::string text = fmt::format(
      "Intruders (no cosine of 0.5 with a direction of W) among the 10 leading output directions of W + ΔW, mean over "
      "layers: {}",
      range_words(counts, 1));
  if (tested > 0)
    text += fmt::format("; more than random updates have in {} of {} modules (smallest adjusted p = {:.3f}){}", more,
                        tested, smallest, more == 0 ? ": an effect of training cannot be told" : "");
  return text + ".";
}

std::vector<std::string> weight_reading(const std::vector<Row>& rows) {
  std::vector<std::string> sentences;
  const auto range = [&](const char* model, const char* variant, const std::string& component, const char* metric,
                         double factor, const char* unit) {
    auto values = by_module(rows, {.model = model, .variant = variant, .component = component, .metric = metric});
    for (auto& [module, value] : values) value *= factor;
    return range_words(values, 1, unit);
  };
  const std::string change = range("adapted", "", "delta-weight", "sv90", 1, ""),
                    weight = range("frozen", "", "weight", "sv90", 1, ""),
                    random = range("untrained", "", "delta-weight", "sv90", 1, "");
  if (!change.empty() && !weight.empty())
    sentences.push_back(fmt::format("Of ΔW: {}{}; of W {}.", change,
                                    random.empty() ? "" : fmt::format(" (a random adapter's {})", random), weight));
  std::string overlaps;
  for (const std::string side : {"output", "input"}) {
    const std::string of = side + "-directions", share = range("adapted", "top-4-in-64", of, "overlap", 100, " %"),
                      chance = range("adapted", "top-4-in-64", of, "chance", 100, " %");
    if (share.empty()) continue;
    overlaps +=
        fmt::format("{}the 4 leading {} directions {} (chance {})", overlaps.empty() ? "" : "; ", side, share, chance);
  }
  if (!overlaps.empty())
    sentences.push_back(fmt::format("Share of ΔW within the span of the 64 leading directions of W: {}.", overlaps));
  if (std::string text = intruder_sentence(rows); !text.empty()) sentences.push_back(std::move(text));
  return sentences;
}

// Layer by module, a panel for each model.
Figure map_of_modules() {
  Figure map = module_map("spectrum-map", "Components for 90 % of the energy of B A x", "model");
  map.where = {{"metric", {"sv90"}}, {"component", {"B"}}, {"variant", {""}}};
  return map;
}

// A figure has one panel per module if there are several, else one per component.
std::vector<Figure> figures_of(const SpectrumForm& form, const std::vector<Row>& rows) {
  std::vector<Figure> figures;
  const bool several = modules_of(rows).size() > 1;
  const auto add = [&](const std::string& name, const std::string& title, const std::string& y,
                       const std::string& metric, const std::vector<std::string>& of, const std::string& inner) {
    Figure f{.name = name, .title = title, .y_title = y};
    f.where.push_back({"metric", {metric}});
    f.where.push_back({"component", of});
    f.facet = several ? "module" : "component";
    f.own_scales = true;
    if (several && !inner.empty()) f.color = inner;
    figures.push_back(std::move(f));
    return &figures.back();
  };
  const std::vector<std::string> all(components.begin(), components.end());
  for (const auto& [metric, name, title, y] :
       {std::array{"sv90", "spectrum-sv90", "Components for 90 % of the energy", "components"},
        std::array{"effective_rank", "spectrum-effective-rank", "Effective rank", "effective rank"}}) {
    if (!has(rows, "A")) break;
    for (const auto& of : several ? std::vector<std::vector<std::string>>{{"A"}, {"B"}, {"A-gradient"}, {"B-gradient"}}
                                  : std::vector<std::vector<std::string>>{all}) {
      Figure* f = several
                      ? add(fmt::format("{}-{}", name, of[0]), fmt::format("{}: {}", title, of[0]), y, metric, of, "")
                      : add(name, title, y, metric, of, "");
      f->where.push_back({"variant", {"", form.dropout_too ? "dropout" : "balanced"}});
      f->dash = "variant";
    }
  }
  if (several && has(rows, "B")) figures.insert(figures.begin(), map_of_modules());
  if (has(rows, "weight"))
    add("spectrum-weights", "Effective rank of the weights and of their change", "effective rank", "effective_rank",
        {"delta-weight", "weight", "adapted-weight"}, "component");
  for (const std::string side : {"output", "input"}) {
    if (!has(rows, side + "-directions")) continue;
    Figure* f = add(fmt::format("spectrum-overlap-{}", side),
                    fmt::format("Leading {} directions of ΔW within those of W", side), "share", "overlap",
                    {side + "-directions"}, "");
    f->where[f->where.size() - 2] = {"metric", {"overlap", "chance"}};
    f->where.push_back({"variant", {"top-1-in-64", "top-4-in-64", "top-16-in-64"}});
    f->color = "variant";
    f->dash = "metric";
    f->own_scales = false;
  }
  return figures;
}

}  // namespace

void describe_spectra(const SpectrumForm& form, Findings& findings) {
  findings.measures =
      form.part == Part::sample
          ? "Number of directions used by A x, B A x (unscaled) and the loss's gradients at them: spectra of "
            "all rows of all clips, uncentred, after training and for a random adapter."
          : "Number of directions used by A x, B A x (unscaled) and the loss's gradients at them over the "
            "speech frames of the test clips, and spectra of the weights and of their change.";
  findings.source = "arXiv 2509.08454 (spectra); Hu et al., 2021 (subspaces); Shuttleworth et al., 2024 (intruders)";
  findings.caveat =
      "A and B are not identifiable separately: (M A, B M⁻¹) is the same model with other spectra of A x and of "
      "its gradient. Draw conclusions from B A x, or from A in the balanced gauge (strict, variant balanced). "
      "Uncentred spectra also count the mean as a direction, often the first.";
  findings.reading = activation_reading(findings.rows);
  if (form.beside_published && !findings.reading.empty())
    findings.reading.push_back(
        "Published for large-v2, trained and untrained: A activations 2.9 and 15.9, A "
        "gradients 5.8 and 9.7, "
        "B activations 1.5 and 15.7, B gradients 42.1 and 15.9.");
  for (std::string& sentence : weight_reading(findings.rows)) findings.reading.push_back(std::move(sentence));
  findings.figures = figures_of(form, findings.rows);
}

}  // namespace loralens
