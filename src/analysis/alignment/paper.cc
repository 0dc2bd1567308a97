// SPDX-License-Identifier: Apache-2.0
#include "analysis/alignment/paper.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <map>

#include "analysis/adapted_modules.h"
#include "analysis/clip_file.h"
#include "analysis/curves.h"
#include "statistics/cka.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t rows_at_a_time = 100;

// Gram matrix (n×n, float64) of n clips (T×d each, flattened). If given, `map` (d×k) is applied to each row first.
Tensor gram_of(const ClipFile& file, const std::vector<ClipFile::Place>& clips, const Tensor& map = {}) {
  const auto n = std::ssize(clips);
  Tensor sum = at::zeros({n, n}, c10::ScalarType::Double);
  for (int64_t begin = 0; begin < clips[0].rows; begin += rows_at_a_time) {
    const int64_t count = std::min(rows_at_a_time, clips[0].rows - begin);
    std::vector<Tensor> parts;
    for (const auto& clip : clips) parts.push_back(file.rows(clip, begin, count));
    Tensor x = at::stack(parts).to(c10::ScalarType::Double);
    if (map.defined()) x = at::matmul(x, map);
    sum += gram(x.reshape({n, -1}));
  }
  return sum;
}

// One model's activations and gradients at one adapter.
struct Held {
  std::vector<ClipFile::Place> down, gradients;  // per clip, T×R: A x; T×out: gradient at B A x
};

// Two Gram matrices and the gammas of their RBF kernels.
struct Pair {
  Tensor first, second;
  double first_gamma, second_gamma;
  double linear() const { return biased_cka(first, second); }
  double rbf() const { return biased_cka(rbf_less_1(first, first_gamma), rbf_less_1(second, second_gamma)); }
  double float32() const { return float32_rbf_cka(first, first_gamma, second, second_gamma); }
};

class PaperAlignment : public Analysis {
 public:
  explicit PaperAlignment(const Setting& setting) : setting_(setting) {}

  bool wants(Part part, Role role) const override {
    return part == Part::sample && role != Role::frozen && !setting_.adapted.empty();
  }
  bool wants(Part part, Role role, const Site& site) const override {
    return wants(part, role) && site.kind == SiteKind::adapter_down;
  }
  bool wants_gradient(Part part, Role role, const Site& site) const override {
    return wants(part, role) && site.kind == SiteKind::adapter_up;
  }

  void see(const BatchView& view, const Site& site, const Tensor& value) override {
    hold(view, value, held_[{view.subject.role, {site.layer, site.module}}].down);
  }
  void see_gradient(const BatchView& view, const Site& site, const Tensor& gradient) override {
    hold(view, gradient, held_[{view.subject.role, {site.layer, site.module}}].gradients);
  }
  void end_part(const FoldSubjects& fold, Part part) override {
    if (part != Part::sample) return;
    for (const Place& place : setting_.adapted) compare(fold, place);
    held_.clear();
  }

  Findings finish() override;

 private:
  void hold(const BatchView& view, const Tensor& value, std::vector<ClipFile::Place>& clips) {
    for (const Tensor& clip : view.speech_of(value)) {
      if (rows_ == 0) rows_ = clip.size(0);
      equal_ = equal_ && clip.size(0) == rows_;
      if (!equal_) {
        held_.clear();
        return;
      }
      clips.push_back(file_.append(clip));
    }
  }

  void compare(const FoldSubjects& fold, const Place& place);
  void compare_gradients(const Factors& factors, Role role, const Place& place, const Held& held);
  void add(const char* component, const char* variant, const Place& place, double value);
  void describe_gradients(const std::vector<Row>& rows, Findings& findings) const;

  const Setting& setting_;
  ClipFile file_;
  std::map<std::pair<Role, Place>, Held> held_;
  int64_t rows_ = 0;     // number of rows of every clip
  bool equal_ = true;    // whether all clips have this number of rows
  bool other_ = false;   // whether some adapter has no factors A and B
  int64_t clips_ = 0;
  int64_t constant_ = 0;  // number of undefined values
  std::vector<Row> rows_found_;
};

void PaperAlignment::add(const char* component, const char* variant, const Place& place, double value) {
  if (std::isnan(value)) {
    ++constant_;
    return;
  }
  Row row{.key = {.variant = variant,
                  .layer = place.layer,
                  .module = std::string(name_of(place.module)),
                  .component = component,
                  .metric = "cka"}};
  row.key.model = row.key.component.ends_with("-untrained") ? "untrained" : "adapted";
  row.fold = 0;
  row.value = value;
  row.n = clips_;
  rows_found_.push_back(std::move(row));
}

// With B = Q R (Q orthonormal), B A x and R A x have the same inner products, and R A x is smaller.
void PaperAlignment::compare(const FoldSubjects& fold, const Place& place) {
  std::optional<Factors> factors[2];
  const Held* held[2];
  const Role roles[] = {Role::adapted, Role::untrained};
  for (size_t i = 0; i < 2; ++i) {
    const auto found = held_.find({roles[i], place});
    if (found == held_.end()) return;
    held[i] = &found->second;
    factors[i] = factors_at(fold.of(roles[i]), place);
    if (!factors[i]) {
      other_ = true;
      return;
    }
  }
  clips_ = std::ssize(held[0]->down);
  if (clips_ < 4) return;
  Tensor down[2], up[2];
  double down_gamma[2], up_gamma[2];
  for (size_t i = 0; i < 2; ++i) {
    const Tensor b = factors[i]->b.detach().cpu().to(c10::ScalarType::Double);
    down[i] = gram_of(file_, held[i]->down);
    up[i] = gram_of(file_, held[i]->down, std::get<1>(at::linalg_qr(b)).t());
    down_gamma[i] = 1 / static_cast<double>(rows_ * b.size(1));
    up_gamma[i] = 1 / static_cast<double>(rows_ * b.size(0));
  }
  add("forward-trained", "", place, Pair{down[0], down[1], down_gamma[0], down_gamma[1]}.linear());
  add("forward-untrained", "", place, Pair{up[0], up[1], up_gamma[0], up_gamma[1]}.rbf());
  for (size_t i = 0; i < 2; ++i) compare_gradients(*factors[i], roles[i], place, *held[i]);
}

// The gradient at A x is the gradient at B A x times B.
void PaperAlignment::compare_gradients(const Factors& factors, Role role, const Place& place, const Held& held) {
  if (std::ssize(held.gradients) != clips_) return;
  const Tensor b = factors.b.detach().cpu().to(c10::ScalarType::Double);
  const Pair pair{gram_of(file_, held.gradients), gram_of(file_, held.gradients, b),
                  1 / static_cast<double>(rows_ * b.size(0)), 1 / static_cast<double>(rows_ * b.size(1))};
  const char* component = role == Role::adapted ? "gradient-trained" : "gradient-untrained";
  add(component, "", place, pair.rbf());
  add(component, "float32", place, pair.float32());
}

struct Spread {
  double mean = 0, low = 0, high = 0;
  int64_t count = 0;
};
Spread spread_of(const std::vector<Row>& rows, const std::string& component, const std::string& variant) {
  Spread spread;
  for (const Row& row : rows) {
    if (row.key.component != component || row.key.variant != variant) continue;
    spread.low = spread.count ? std::min(spread.low, row.value) : row.value;
    spread.high = spread.count ? std::max(spread.high, row.value) : row.value;
    spread.mean += row.value;
    ++spread.count;
  }
  spread.mean /= static_cast<double>(std::max<int64_t>(spread.count, 1));
  return spread;
}

void PaperAlignment::describe_gradients(const std::vector<Row>& rows, Findings& findings) const {
  for (const char* component : {"gradient-trained", "gradient-untrained"}) {
    const Spread exact = spread_of(rows, component, ""), rounded = spread_of(rows, component, "float32");
    if (exact.count == 0) continue;
    findings.reading.push_back(fmt::format(
        "{}: the gradients at B A x and at A x have a CKA of {:.3f} on average over layers ({:.3f} to {:.3f}); in "
        "float32, as the published code computes it, {:.3f} to {:.3f}.",
        component, exact.mean, exact.low, exact.high, rounded.low, rounded.high));
  }
}

Findings PaperAlignment::finish() {
  Findings findings;
  findings.measures =
      "Similarity over clips (biased CKA, each clip's positions flattened to one vector): A x and B A x of the "
      "adapted model against the untrained one, and the gradients at B A x against those at A x.";
  findings.source = "arXiv 2509.08454; CKA: Kornblith et al., 2019";
  findings.caveat =
      "Biased CKA is near 1 for any data with many more features than clips (0.999 for independent noise of 40 "
      "clips and 48,000 features). The published names are misleading: \"forward-trained\" is A trained with A "
      "untrained, \"forward-untrained\" B trained with B untrained, by another kernel. Squared distances of "
      "gradients are below the rounding error of 1 in float32, so the published gradient curves (variant float32) "
      "are rounding noise; plain rows avoid this. The gradient at A x is the one at B A x times B, so some "
      "alignment is built in. The strict protocol has debiased values and a null.";
  const std::string note = setting_.note_on_site_adapters();
  if (!note.empty()) findings.notes.push_back(note);
  if (setting_.adapted.empty()) {
    if (note.empty()) findings.notes.push_back("The model has no adapter, so there is no A and B to compare.");
    return findings;
  }
  if (!equal_)
    findings.notes.push_back(
        "The published CKA flattens each clip's positions and needs clips of equal length; the lengths differ, so it "
        "was left out (use a model trained on padded input).");
  else if (other_)
    findings.notes.push_back("Some adapters have no two factors A and B to compare; they are left out.");
  else if (clips_ < 4)
    findings.notes.push_back(fmt::format("CKA needs at least 4 clips; {} were seen.", clips_));
  if (constant_ > 0)
    findings.notes.push_back(fmt::format(
        "{} values are undefined, because a representation is the same for all clips (B is 0).", constant_));
  findings.rows = std::move(rows_found_);
  if (findings.rows.empty()) return findings;
  findings.notes.push_back(
      fmt::format("All positions of {} clips are kept at once: {:.0f} MB of values and gradients in a temporary file.",
                  clips_, static_cast<double>(file_.bytes()) / 1e6));
  const Spread trained = spread_of(findings.rows, "forward-trained", "");
  const Spread untrained = spread_of(findings.rows, "forward-untrained", "");
  if (trained.count > 0 && untrained.count > 0)
    findings.reading.push_back(fmt::format(
        "forward-trained is {:.3f} on average over layers ({:.3f} to {:.3f}), forward-untrained {:.3f} ({:.3f} to "
        "{:.3f}).",
        trained.mean, trained.low, trained.high, untrained.mean, untrained.low, untrained.high));
  describe_gradients(findings.rows, findings);
  for (const auto& [name, title, dash] :
       {std::array{"forward", "A and B, adapted against untrained", ""},
        std::array{"gradient", "Gradients at B A x against those at A x", "variant"}}) {
    Figure figure{.name = fmt::format("alignment-{}", name), .title = title, .y_title = "CKA (biased)"};
    figure.where = {{"component", {fmt::format("{}-trained", name), fmt::format("{}-untrained", name)}}};
    figure.color = "component";
    figure.dash = dash;
    figure.facet = "module";
    findings.figures.push_back(figure);
  }
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_paper_alignment(const Setting& setting) {
  return std::make_unique<PaperAlignment>(setting);
}

}  // namespace loralens
