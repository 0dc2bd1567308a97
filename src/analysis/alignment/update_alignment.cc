// SPDX-License-Identifier: Apache-2.0
#include "analysis/alignment/update_alignment.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <tuple>

#include "analysis/adapted_modules.h"
#include "analysis/alignment/words.h"
#include "base/random.h"
#include "statistics/metrics.h"
#include "statistics/normal_values.h"
#include "statistics/nulls/cka_draws.h"
#include "statistics/nulls/haar.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t draws_at_once = 37;  // a divisor of update_draws: bounds the memory of a block of draws
constexpr int64_t widest = 2048;  // largest width of a site whose covariance is kept: 32 MB in float64
constexpr double megabytes = 256;  // limit of the clip means that are kept so that folds share their random updates
static_assert(update_draws % draws_at_once == 0);

RowKey key_of(Role role, const Place& place, const char* component, const char* metric, const std::string& variant) {
  return {.model = std::string(name_of(role)),
          .variant = variant,
          .layer = place.layer,
          .module = std::string(name_of(place.module)),
          .component = component,
          .metric = metric};
}

Site input_site(const Place& place) { return {input_of(place.module), place.layer}; }
Site output_site(const Place& place) { return {SiteKind::adapter_up, place.layer, place.module}; }

RowKey mean_key(const std::string& component, const char* metric) {
  return {.model = "adapted", .component = component, .metric = metric};
}

}  // namespace

namespace {

// Directions of S random updates.
struct RandomDirections {
  Tensor normal;  // S×d×k normal numbers, float64
  Tensor columns, squares;  // their orthonormal columns, and these squared: float32
};

// A number of draws of a statistic.
using Draw = std::function<std::vector<double>(const RandomDirections&)>;

// rows: n×d each; directions: S×d×k. Returns S×n×k each.
std::vector<Tensor> projected(const std::vector<Tensor>& rows, const Tensor& directions) {
  std::vector<Tensor> result;
  for (const Tensor& x : rows) result.push_back(at::matmul(x.to(directions.scalar_type()), directions));
  return result;
}

}  // namespace

// A value with its null distribution, of a place whose random directions are d×k.
struct UpdateAlignment::Task {
  RowKey key;
  int64_t d = 0, k = 0;
  double value = 0;
  bool is_cka = false;
  Draw draw;
  std::vector<double> draws;
  int64_t clips = 0;
};

UpdateAlignment::UpdateAlignment(const Setting& setting) : setting_(setting) {}
UpdateAlignment::~UpdateAlignment() = default;

bool UpdateAlignment::wants(const Site& site) const {
  return std::ranges::any_of(setting_.adapted, [&](const Place& place) { return site == input_site(place); });
}

void UpdateAlignment::begin_fold(const FoldSubjects& fold) {
  directions_.clear();
  samples_.clear();
  covariances_.clear();
  efficiencies_.clear();
  for (const Role role : {Role::adapted, Role::untrained})
    for (const auto& [place, adapter] : fold.of(role).model.adapted.adapters.linear) {
      const auto factors = adapter->factors();
      if (!factors) continue;
      SingularDirections update = update_directions(factors->a.detach().cpu(), factors->b.detach().cpu());
      if (update.values.numel() > 0) directions_[{role, place}] = std::move(update);
    }
}

void UpdateAlignment::see(const BatchView& view, const Site& site, const Tensor& value) {
  if (view.subject.role != Role::adapted) return;
  if (value.size(1) > widest) {
    wide_.insert(value.size(1));
    return;
  }
  covariances_[site].add(view.speech_of(value));
}

void UpdateAlignment::use(const Minibatch& minibatch) {
  for (const auto& [where, sets] : minibatch.samples)
    if (where.gradient || wants(where.site)) {
      samples_[where].push_back(sets[0].clone());
      held_ += static_cast<double>(sets[0].nbytes()) / 1e6;
    }
  most_held_ = std::max(most_held_, held_);
}

std::vector<Tensor> UpdateAlignment::samples_of(const SampledSite& where) const {
  const auto found = samples_.find(where);
  return found == samples_.end() ? std::vector<Tensor>() : found->second;
}

void UpdateAlignment::add_cka(const Of& of, const SingularDirections& update, std::vector<Task>& tasks) {
  const auto& [role, place] = of;
  const Tensor sigma = update.values;
  const std::string balanced = alignment_variant(false, "balanced");
  if (const auto x = samples_of({role, input_site(place), false}); !x.empty())
    tasks.push_back(
        {.key = key_of(role, place, "forward", "cka", balanced),
         .d = update.right.size(0),
         .k = sigma.size(0),
         .value = forward_cka_draws(projected(x, update.right.unsqueeze(0)), sigma)[0],
         .is_cka = true,
         .draw = [x, sigma](const RandomDirections& v) { return forward_cka_draws(projected(x, v.columns), sigma); }});
  if (const auto g = samples_of({role, output_site(place), true}); !g.empty())
    tasks.push_back({.key = key_of(role, place, "gradient", "cka", balanced),
                     .d = update.left.size(0),
                     .k = sigma.size(0),
                     .value = gradient_cka_draws(g, projected(g, update.left.unsqueeze(0)), sigma)[0],
                     .is_cka = true,
                     .draw = [g, sigma](const RandomDirections& u) {
                       return gradient_cka_draws(g, projected(g, u.columns), sigma);
                     }});
}

// Gauge-free alignment with the covariances of the module's input and of the gradient at its output; and the second
// null of the CKA: V' from columns drawn from N(0, C), in the basis of C's eigenvectors.
void UpdateAlignment::add_strengths(int64_t fold, const Of& of, const SingularDirections& update, FoldCurves& curves,
                                    std::vector<Task>& tasks) {
  const auto& [role, place] = of;
  const Tensor sigma = update.values;
  for (const bool forward : {true, false}) {
    const Site site = forward ? input_site(place) : output_site(place);
    const auto found = covariances_.find(site);
    if (found == covariances_.end()) continue;
    const int64_t clips = found->second.clips();
    auto spectrum_of = spectra_.find(site);  // q_proj, k_proj and v_proj have one input
    if (spectrum_of == spectra_.end())
      spectrum_of = spectra_.try_emplace(site, found->second.covariance(), /*vectors=*/forward).first;
    const CovarianceSpectrum& spectrum = spectrum_of->second;
    const Tensor directions = forward ? update.right : update.left, eigenvalues = spectrum.eigenvalues;
    const auto [strength, efficiency] = strength_of(spectrum, directions, sigma);
    if (std::isnan(strength)) continue;
    const char* component = forward ? "forward" : "backward";
    const RowKey key = key_of(role, place, component, "strength", "");
    curves.add(fold, key, strength, NAN, NAN, clips);
    if (!std::isnan(efficiency)) {
      curves.add(fold, key_of(role, place, component, "efficiency", ""), efficiency, NAN, NAN, clips);
      efficiencies_[place][component] = efficiency;
    }
    tasks.push_back({.key = key,
                     .d = directions.size(0),
                     .k = sigma.size(0),
                     .value = strength,
                     .draw = [eigenvalues, sigma](
                                 const RandomDirections& w) { return strength_draws(eigenvalues, w.squares, sigma); },
                     .clips = clips});
    auto x = samples_of({role, site, false});
    if (!forward || x.empty()) continue;
    const double value = forward_cka_draws(projected(x, directions.unsqueeze(0)), sigma)[0];
    // The rounding error of directions without variance stays below the weight that is added to each.
    const Tensor weights = eigenvalues + 1e-9 * eigenvalues.mean();
    for (Tensor& rows : x) rows = at::matmul(rows.to(weights.scalar_type()), spectrum.eigenvectors) * weights.sqrt();
    tasks.push_back({.key = key_of(role, place, "forward", "cka", input_null_variant),
                     .d = directions.size(0),
                     .k = sigma.size(0),
                     .value = value,
                     .is_cka = true,
                     .draw = [x, sigma, weights](const RandomDirections& v) {
                       const Tensor inverse = inverse_triangles(v.normal, weights);
                       std::vector<Tensor> products = projected(x, v.normal);
                       for (Tensor& rows : products) rows = at::matmul(rows, inverse);
                       return forward_cka_draws(products, sigma);
                     }});
  }
}

std::vector<UpdateAlignment::Task> UpdateAlignment::tasks(int64_t fold, FoldCurves& curves) {
  std::vector<Task> tasks;
  for (const auto& [of, update] : directions_) {
    add_cka(of, update, tasks);
    if (of.first == Role::adapted) add_strengths(fold, of, update, curves, tasks);
  }
  return tasks;
}

// Places of one shape share their random directions, but each place in another order, so that the draws of different
// places are independent. A place has the same random directions in all folds of a run, because folds share most of
// their data.
void UpdateAlignment::draw() {
  std::map<std::tuple<int64_t, int64_t, int64_t>, std::vector<Task*>> by_shape;
  for (FoldTasks& of : waiting_)
    for (Task& task : of.tasks) by_shape[{of.fold / setting_.folds_of_a_run(), task.d, task.k}].push_back(&task);
  for (const auto& [shape, of_shape] : by_shape) {
    const auto [run, d, k] = shape;
    Random random(hash_of(setting_.seed, hash_of("random-update"), run, d, k));
    for (int64_t done = 0; done < update_draws; done += draws_at_once) {
      const Tensor normal = normal_values({draws_at_once, d, k}, random);
      const Tensor columns = at::matmul(normal, inverse_triangles(normal)).to(c10::ScalarType::Float);
      const RandomDirections directions{normal, columns, columns.square()};
      for (Task* task : of_shape)
        for (const double value : task->draw(directions)) task->draws.push_back(value);
    }
  }
  for (FoldTasks& of : waiting_)
    for (Task& task : of.tasks) {
      const RowKey& key = task.key;
      Random random(hash_of(setting_.seed, hash_of(key.model), *key.layer, hash_of(key.module), hash_of(key.component),
                            hash_of(key.metric)));
      random.shuffle(task.draws);
    }
}

// The mean strength over places with its draws.
void UpdateAlignment::add_mean_strengths(const FoldTasks& all, FoldCurves& curves) {
  for (const char* component : {"forward", "backward"}) {
    std::vector<const Task*> of;
    for (const Task& task : all.tasks)
      if (!task.is_cka && task.key.component == component) of.push_back(&task);
    if (of.empty()) continue;
    double mean = 0;
    std::vector<double> draws(update_draws);
    for (const Task* task : of) {
      mean += task->value / static_cast<double>(of.size());
      for (size_t b = 0; b < draws.size(); ++b) draws[b] += task->draws[b] / static_cast<double>(of.size());
    }
    const RowKey key = mean_key(component, "strength");
    curves.add(all.fold, key, mean, NAN, NAN, of.front()->clips);
    strength_.add(all.fold, key, mean, std::move(draws));
  }
}

// Means over places: of the efficiency, and of the difference of the two efficiencies, the prespecified contrast. They
// count as functions of the trained weights (n = 0), so that they have an interval over folds and runs.
void UpdateAlignment::add_mean_efficiencies(int64_t fold, FoldCurves& curves) const {
  std::map<std::string, std::vector<double>> efficiencies;
  for (const auto& [place, of] : efficiencies_) {
    for (const auto& [component, efficiency] : of) efficiencies[component].push_back(efficiency);
    if (of.size() == 2) efficiencies["forward-backward"].push_back(of.at("forward") - of.at("backward"));
  }
  for (const auto& [component, values] : efficiencies)
    curves.add(fold, mean_key(component, "efficiency"), summarise(values, 1).mean);
}

void UpdateAlignment::add_rows(const FoldTasks& of, FoldCurves& curves) {
  for (const Task& task : of.tasks) {
    RowKey key = task.key;
    const Summary null = summarise(task.draws, 1);
    if (task.is_cka && !std::isnan(null.mean) && !std::isnan(task.value)) {
      // The value of the plain null is added by the caller, from the activations of the pass.
      if (key.variant == input_null_variant) curves.add(of.fold, key, task.value, NAN, NAN, of.clips);
      key.metric = "cka_chance";
      curves.add(of.fold, key, null.mean, NAN, NAN, of.clips);
    } else if (!task.is_cka && null.std > 0) {
      key.metric = "strength_z";
      curves.add(of.fold, key, (task.value - null.mean) / null.std, NAN, NAN, task.clips);
    }
    (task.is_cka ? cka_ : strength_).add(of.fold, task.key, task.value, task.draws);
  }
  add_mean_strengths(of, curves);
}

void UpdateAlignment::end_fold(int64_t fold, int64_t clips, FoldCurves& curves) {
  if (clips == 0) return;
  waiting_.push_back({fold, clips, tasks(fold, curves)});
  add_mean_efficiencies(fold, curves);
  directions_.clear();
  samples_.clear();
  covariances_.clear();
  spectra_.clear();
  if (held_ > megabytes) finish(curves);
}

void UpdateAlignment::finish(FoldCurves& curves) {
  draw();
  for (const FoldTasks& of : waiting_) add_rows(of, curves);
  waiting_.clear();
  held_ = 0;
}

void UpdateAlignment::annotate(std::vector<Row>& rows) const {
  cka_.annotate(rows);
  strength_.annotate(rows);
}

std::vector<std::string> UpdateAlignment::notes() const {
  std::vector<std::string> notes;
  if (most_held_ > 0)
    notes.push_back(fmt::format(
        "p, null_low and null_high of CKA in the balanced gauge and of strength: {} random updates with the "
        "trained singular values; p_adjusted: over all places and both directions, by the maximum. The "
        "means of all clips of some folds are held at once ({:.1f} MB at most).",
        update_draws, most_held_));
  for (const int64_t width : wide_)
    notes.push_back(
        fmt::format("No strength or efficiency where a module's input or output has {} dimensions: covariances are "
                    "held for at most {}.",
                    width, widest));
  return notes;
}

}  // namespace loralens
