// SPDX-License-Identifier: Apache-2.0
#include "analysis/spectrum/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <set>

#include "analysis/curves.h"

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

using Values = std::vector<double>;

// Text on means over layers of some quantities (keys without a module), module by module: "<first> in v_proj; <others>
// in fc1". Empty if no module has all quantities.
std::string by_module(const std::vector<Row>& rows, const std::vector<RowKey>& quantities,
                      const std::function<std::string(const Values&)>& first,
                      const std::function<std::string(const Values&)>& others) {
  std::string text;
  for (const std::string& module : modules_of(rows)) {
    Values values;
    for (RowKey key : quantities) {
      key.module = module;
      if (const Row* row = find_row(rows, key)) values.push_back(row->value);
    }
    if (values.size() < quantities.size()) continue;
    text += text.empty() ? first(values) : "; " + others(values);
    text += " in " + module;
  }
  return text;
}

std::vector<std::string> activation_reading(const std::vector<Row>& rows) {
  constexpr std::array names = {"A activations", "B activations", "A gradients", "B gradients"};
  std::vector<std::string> sentences;
  for (const char* variant : {"", "balanced"})
    for (size_t c = 0; c < components.size(); ++c) {
      const RowKey after{.model = "adapted", .variant = variant, .component = components[c], .metric = "sv90"};
      RowKey before = after;
      before.model = "untrained";
      const std::string text = by_module(
          rows, {after, before},
          [](const Values& v) {
            return fmt::format("{:.1f} components for 90 % of the energy after training and {:.1f} before", v[0], v[1]);
          },
          [](const Values& v) { return fmt::format("{:.1f} and {:.1f}", v[0], v[1]); });
      if (!text.empty())
        sentences.push_back(
            fmt::format("{}{} need {} (means over layers).", *variant ? "In the balanced gauge " : "", names[c], text));
    }
  return sentences;
}

// "3.2 in v_proj (random updates 2.9 to 3.6: more than random, adjusted p = 0.005)", module by module.
std::string intruder_text(const std::vector<Row>& rows) {
  std::string text;
  for (const std::string& module : modules_of(rows)) {
    const Row* row = find_row(rows, {.model = "adapted",
                                     .variant = "cosine-0.5",
                                     .module = module,
                                     .component = "adapted-weight",
                                     .metric = "intruders"});
    if (!row) continue;
    text += fmt::format("{}{:.1f} in {}", text.empty() ? "" : "; ", row->value, module);
    if (row->null_draws > 0)
      text += fmt::format(" (random updates {:.1f} to {:.1f}: {}, adjusted p = {:.3f})", row->null_low, row->null_high,
                          row->p_adjusted < 0.05 ? "more than random" : "an effect of training cannot be told",
                          row->p_adjusted);
  }
  return text;
}

std::vector<std::string> weight_reading(const std::vector<Row>& rows) {
  std::vector<std::string> sentences;
  const auto add = [&](const std::string& before, const std::string& text, const std::string& after) {
    if (!text.empty()) sentences.push_back(before + text + after);
  };
  const auto quantity = [](const char* model, const char* variant, const char* component, const char* metric) {
    return RowKey{.model = model, .variant = variant, .component = component, .metric = metric};
  };
  const auto number = [](const Values& v) { return fmt::format("{:.1f}", v[0]); };
  const auto beside_chance = [](const Values& v) {
    return fmt::format("{:.1f} % (chance {:.1f} %)", 100 * v[0], 100 * v[1]);
  };
  add("",
      by_module(
          rows, {quantity("adapted", "", "delta-weight", "sv90"), quantity("frozen", "", "weight", "sv90")},
          [](const Values& v) {
            return fmt::format("ΔW needs {:.1f} components for 90 % of its energy and W {:.1f}", v[0], v[1]);
          },
          [](const Values& v) { return fmt::format("{:.1f} and {:.1f}", v[0], v[1]); }),
      " (means over layers).");
  add("A random adapter's ΔW needs ",
      by_module(rows, {quantity("untrained", "", "delta-weight", "sv90")}, number, number), ".");
  for (const std::string side : {"output", "input"}) {
    const std::string component = side + "-directions";
    add(fmt::format("The 4 leading {} directions of ΔW lie in the span of the 64 leading ones of W to ", side),
        by_module(rows,
                  {quantity("adapted", "top-4-in-64", component.c_str(), "overlap"),
                   quantity("adapted", "top-4-in-64", component.c_str(), "chance")},
                  beside_chance, beside_chance),
        ".");
  }
  if (std::string text = intruder_text(rows); !text.empty())
    sentences.push_back(
        "Number of intruders (no cosine of 0.5 with a direction of W) among the 10 leading output "
        "directions of W + ΔW, mean over layers: " +
        text + ".");
  return sentences;
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
