// SPDX-License-Identifier: Apache-2.0
#include "report/sections/claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "base/formats/csv.h"
#include "report/html.h"
#include "results/compare.h"
#include "statistics/bootstrap.h"
#include "statistics/intervals/student.h"

namespace loralens {
namespace {

using nlohmann::json;

constexpr double level = 0.05;
constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
constexpr const char *holds = "holds", *in_part = "holds in part", *fails = "does not hold", *open = "cannot be told",
                     *untested = "not tested";

// One number of a table; NaN where a cell is empty.
struct Number {
  double value = unknown, low = unknown, high = unknown, p = unknown, null_low = unknown, null_high = unknown;
  double n = 0;
};

using Cells = std::map<std::string, std::string>;  // by column

// The rows of one analysis.
class Rows {
 public:
  Rows(const Path& dir, const std::string& analysis) {
    const Path file = dir / "tables" / (analysis + ".csv");
    if (std::filesystem::exists(file)) table_ = read_csv(file);
  }

  bool empty() const { return table_.rows.empty(); }

  // The row whose columns have these cells, those that are not named being empty: over all folds, or of the only fold.
  std::optional<Number> find(Cells key) const {
    std::optional<Number> found;
    bool pooled = false;
    for (const auto& row : table_.rows) {
      const auto differs = [&](const char* column) { return cell(row, column) != key[column]; };
      if (std::ranges::any_of(keys, differs)) continue;
      const bool over_all = cell(row, "fold").empty();
      if (found && (pooled || !over_all)) continue;
      pooled = over_all;
      found = Number{.value = number(row, "value"),
                     .low = number(row, "low"),
                     .high = number(row, "high"),
                     .p = number(row, "p"),
                     .null_low = number(row, "null_low"),
                     .null_high = number(row, "null_high"),
                     .n = number(row, "n")};
    }
    return found;
  }

  // The distinct cells of a column among the rows of a component.
  std::set<std::string> cells_of(const char* column, const std::string& component) const {
    std::set<std::string> cells;
    for (const auto& row : table_.rows)
      if (cell(row, "component") == component) cells.insert(cell(row, column));
    return cells;
  }

 private:
  static constexpr std::array keys = {"model", "variant", "layer", "module", "component", "metric", "class", "step"};

  std::string cell(const std::vector<std::string>& row, const char* column) const {
    const int at = table_.column(column);
    return at < 0 ? "" : row[at];
  }
  double number(const std::vector<std::string>& row, const char* column) const {
    const std::string text = cell(row, column);
    return text.empty() ? unknown : std::strtod(text.c_str(), nullptr);
  }

  Table table_;
};

bool above_zero(const Number& n) { return n.low > 0; }  // false without an interval

std::string with_interval(const Number& n) {
  if (std::isnan(n.low)) return fmt::format("{:+.3f} (no interval)", n.value);
  return fmt::format("{:+.3f} (95 % interval {:+.3f} to {:+.3f})", n.value, n.low, n.high);
}

std::string not_made(const char* analysis) { return fmt::format("Its test is the analysis {} (--only).", analysis); }

Claim about_scores(const json& about) {
  Claim claim{.text = "The adapted model recognises emotions better than the frozen encoder.",
              .verdict = untested,
              .evidence = "Its test is the comparison with a run of --method frozen (--against).",
              .analysis = "scores"};
  const json comparison = about.value("comparison", json());
  if (comparison.is_null() || !comparison.at("uar").contains("estimand")) return claim;
  const json& uar = comparison.at("uar");
  const auto difference = uar.at("difference").get<double>();
  claim.verdict = open;
  claim.evidence = fmt::format("Difference of UAR, all clips together, from the compared run: {:+.3f}", difference);
  if (uar.at("p").is_null()) {
    claim.evidence += fmt::format("; no interval: {}.", uar.at("reason").get<std::string>());
    return claim;
  }
  const auto p = uar.at("p").get<double>();
  claim.evidence += fmt::format(" (95 % interval {:+.3f} to {:+.3f}, p = {:.2g}).", uar.at("low").get<double>(),
                                uar.at("high").get<double>(), p);
  if (p < level) {
    claim.verdict = difference > 0 ? holds : fails;
  } else if (is_equivalent(uar)) {
    claim.verdict = fails;
    claim.evidence +=
        fmt::format(" The two are equivalent within {} (two one-sided tests at 0.05).", equivalence_margin);
  }
  return claim;
}

// A test of one of the two mechanisms.
struct Mechanism {
  Claim claim;
  double p = 1;  // before the adjustment; 1 if there was no test
};

// The prespecified test: the depth centroid of the Shapley shares against random updates with the same singular values.
Mechanism delayed_specialisation(const Path& dir) {
  Mechanism m{.claim = {.text = "Delayed specialisation: early layers stay general, late layers specialise.",
                        .verdict = untested,
                        .evidence = not_made("depth"),
                        .analysis = "depth"}};
  const Rows rows(dir, "depth");
  if (rows.empty()) return m;
  m.claim.verdict = open;
  if (!rows.cells_of("layer", "shapley").contains("0")) {
    m.claim.evidence = "The first layer has no adapter, so it could not have specialised: adapt all layers.";
    return m;
  }
  std::string evidence;
  bool told = false, beyond = false;
  double smallest = 1;
  for (const auto& [metric, name] : {std::pair{"log_probability", "log-probability"}, {"uar", "UAR"}}) {
    const auto find = [&](const char* component) {
      return rows.find({{"model", "adapted"}, {"component", component}, {"metric", metric}});
    };
    const auto gain = find("gain"), centroid = find("centroid"), z = find("centroid-z");
    if (!gain || !centroid || !z) continue;
    if (!above_zero(*gain)) {
      evidence +=
          fmt::format("{}: the gain of all adapters, {}, is not shown to be above 0. ", name, with_interval(*gain));
      continue;
    }
    told = true;
    beyond = beyond || centroid->value > centroid->null_high;
    smallest = std::min(smallest, z->p);
    evidence += fmt::format("{}: centroid {:.2f}, of random updates {:.2f} to {:.2f}, one-sided p = {:.2g}. ", name,
                            centroid->value, centroid->null_low, centroid->null_high, z->p);
  }
  m.claim.evidence = evidence;
  if (!told) return m;
  m.p = std::min(1.0, 2 * smallest);  // two scores
  m.claim.verdict = beyond ? open : fails;
  if (!beyond)
    m.claim.evidence += "By the prespecified rule a centroid within those of random updates refutes the claim. ";
  return m;
}

// "6.05 times as strongly as random directions do (95 % of them: 0.95 to 1.05)"
std::string strength_words(const Number& strength) {
  return fmt::format("{:.2f} times as strongly as random directions do on average (95 % of them: {:.2f} to {:.2f})",
                     strength.value, strength.null_low, strength.null_high);
}

// The prespecified contrast: how far ΔW reads from strong input directions minus how far it writes where the loss is
// sensitive; "differentiation" needs the latter to be below chance as well.
Mechanism forward_alignment(const Path& dir) {
  Mechanism m{.claim = {.text = "Forward alignment (the update follows its input) with backward differentiation (it "
                                "avoids the directions of the loss's gradient).",
                        .verdict = untested,
                        .evidence = not_made("alignment"),
                        .analysis = "alignment"}};
  const Rows rows(dir, "alignment");
  if (rows.empty()) return m;
  m.claim.verdict = open;
  const auto find = [&](const char* component, const char* metric) {
    return rows.find({{"model", "adapted"}, {"component", component}, {"metric", metric}});
  };
  const auto contrast = find("forward-backward", "efficiency"), forward = find("forward", "strength"),
             backward = find("backward", "strength");
  if (!contrast || !forward || !backward) {
    m.claim.evidence = "The protocol or the adapter has no measure of it that has a null distribution.";
    return m;
  }
  m.claim.evidence = fmt::format(
      "Prespecified contrast of ΔW, efficiency (0: random, 1: the best possible) at its input minus at the gradient: "
      "{}",
      with_interval(*contrast));
  if (!std::isnan(contrast->low)) {
    // The interval is symmetric, Student's t with n - 1 degrees of freedom (n folds).
    const double degrees = contrast->n - 1, half = (contrast->high - contrast->low) / 2;
    m.p = student_p(std::abs(contrast->value) / half * student_bound(1 - level, degrees), degrees);
    m.claim.evidence += fmt::format(", p = {:.2g}", m.p);
    const bool differentiates = backward->p < level && backward->value < backward->null_low;
    m.claim.verdict = contrast->value < 0 ? fails : differentiates ? holds : in_part;
  }
  m.claim.evidence += fmt::format(". ΔW follows its input {}, and the gradient {}. ", strength_words(*forward),
                                  strength_words(*backward));
  return m;
}

// Adjusts the p values of the two mechanisms and takes back what does not reach the level.
void adjust(std::array<Mechanism, 2>& mechanisms) {
  const std::array p = {mechanisms[0].p, mechanisms[1].p};
  const std::vector<double> adjusted = holm(p);
  for (size_t i = 0; i < mechanisms.size(); ++i) {
    auto& [claim, plain] = mechanisms[i];
    if (plain >= 1) continue;
    const bool alone = mechanisms[1 - i].p >= 1;
    claim.evidence += fmt::format("Adjusted for the two mechanisms{}: p = {:.2g}.",
                                  alone ? " (the other has no test and counts as p = 1)" : "", adjusted[i]);
    if (i == 0 && claim.verdict == open && adjusted[i] < level) claim.verdict = holds;
    if (i == 1 && adjusted[i] >= level) claim.verdict = open;
  }
}

// "6.0 to 10.7"
std::string range(const std::vector<double>& values) {
  const auto [low, high] = std::ranges::minmax(values);
  return low == high ? fmt::format("{:.1f}", low) : fmt::format("{:.1f} to {:.1f}", low, high);
}

Claim low_dimension(const Path& dir) {
  Claim claim{.text =
                  "Training leaves few directions in use (published for large-v2, rank 32: 90 % of the energy of B A "
                  "x lies in 1.5 components, before training in 15.7).",
              .verdict = untested,
              .evidence = not_made("spectrum"),
              .analysis = "spectrum"};
  const Rows rows(dir, "spectrum");
  if (rows.empty()) return claim;
  claim.verdict = open;
  std::vector<double> after, before;
  for (const std::string& module : rows.cells_of("module", "B")) {
    const auto find = [&](const char* model) {
      return rows.find({{"model", model}, {"module", module}, {"component", "B"}, {"metric", "sv90"}});
    };
    const auto adapted = find("adapted"), untrained = find("untrained");
    if (!adapted || !untrained) continue;
    after.push_back(adapted->value);
    before.push_back(untrained->value);
  }
  claim.evidence = after.empty() ? "The adapters have no A and B."
                                 : fmt::format(
                                       "Here it lies in {} components, in a random adapter in {} (means over "
                                       "layers, by module). No interval of these numbers is known to cover.",
                                       range(after), range(before));
  return claim;
}

}  // namespace

std::vector<Claim> claims_of(const Path& dir, const json& summary) {
  std::array mechanisms = {delayed_specialisation(dir), forward_alignment(dir)};
  adjust(mechanisms);
  return {about_scores(summary.at("about")), mechanisms[0].claim, mechanisms[1].claim, low_dimension(dir)};
}

std::string claims_html(const std::vector<Claim>& claims) {
  if (std::ranges::all_of(claims, [](const Claim& claim) { return claim.verdict == untested; })) return "";
  std::vector<std::vector<std::string>> rows;
  for (const Claim& claim : claims) {
    const bool tested = claim.verdict != untested;
    std::string evidence = escaped(claim.evidence);
    if (tested) evidence += fmt::format(" <a href=\"#{}\">{}</a>", claim.analysis, title_of(claim.analysis));
    rows.push_back({escaped(claim.text),
                    fmt::format("<span class=\"{}\">{}</span>", tested ? "verdict" : "untested", claim.verdict),
                    evidence});
  }
  return "<p>Claims of arXiv 2509.08454, tested on this run. The tests of the two "
         "mechanisms were specified in advance.</p>\n<div class=\"claims\">" +
         html_table("", {"Claim", "Verdict", "Test"}, rows) + "</div>";
}

Table claims_table(const std::vector<Claim>& claims) {
  Table table{{"claim", "verdict", "evidence", "analysis"}, {}};
  for (const Claim& claim : claims) table.rows.push_back({claim.text, claim.verdict, claim.evidence, claim.analysis});
  return table;
}

}  // namespace loralens
