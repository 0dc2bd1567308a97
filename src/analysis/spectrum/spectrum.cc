// SPDX-License-Identifier: Apache-2.0
// Effective dimension of LoRA's activations A x and B A x and of the loss's gradients at them: singular values of the
// matrix of all rows of all clips (arXiv 2509.08454, "spectrum").
//
// Memory holds Gram matrices only: R×R of A x (that of B A x follows: G(B A x) = B G(A x) Bᵀ) and out×out of the
// gradient at B A x (that at A x follows: Bᵀ G B).
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <set>

#include "analysis/adapted_modules.h"
#include "analysis/analyses.h"
#include "analysis/spectrum/curves.h"
#include "analysis/spectrum/form.h"
#include "analysis/spectrum/weight_spectra.h"
#include "analysis/spectrum/words.h"
#include "base/random.h"
#include "classifier/forward.h"
#include "statistics/normal_values.h"
#include "statistics/singular_spectrum.h"

namespace loralens {
namespace {

using at::Tensor;

Tensor on_cpu(const Tensor& x) { return x.detach().cpu().to(c10::ScalarType::Double); }

double norm_of(const Tensor& x) { return on_cpu(x).norm().item<double>(); }

// Pads singular values with zeros to the number that a matrix of `width` columns has.
Tensor widened(const Tensor& values, int64_t width) {
  return at::cat({values, at::zeros({width - values.size(0)}, values.options())});
}

// Records the adapters' activations of a forward pass; B A x stays attached to the autograd graph.
class AdapterReader : public Observer {
 public:
  bool wants(const Site& site) const override {
    return site.kind == SiteKind::adapter_down || site.kind == SiteKind::adapter_up;
  }
  void see(const Pass& pass, const Site& site, const Tensor& value, int64_t segment) override {
    if (site.kind == SiteKind::adapter_down) {
      down.push_back(value.detach());
      return;
    }
    places.push_back({site.layer, site.module});
    up.push_back(value);
  }

  std::vector<Place> places;
  std::vector<Tensor> down, up;  // A x and B A x at each place
};

class Spectrum : public Analysis {
 public:
  Spectrum(const Setting& setting, const SpectrumForm& form)
      : setting_(setting), form_(form), curves_(setting), intruders_(setting) {}

  bool wants(Part part, Role role) const override {
    return part == form_.part && role != Role::frozen && !setting_.adapted.empty();
  }
  bool wants(Part part, Role role, const Site& site) const override {
    if (!wants(part, role)) return false;
    if (site.kind == SiteKind::adapter_down) return true;
    return form_.variants_too && role == Role::adapted &&
           std::ranges::any_of(setting_.adapted, [&](const Place& place) {
             return place.layer == site.layer && input_of(place.module) == site.kind;
           });
  }
  bool wants_gradient(Part part, Role role, const Site& site) const override {
    return wants(part, role) && site.kind == SiteKind::adapter_up;
  }
  bool wants_residuals(Part part, Role role) const override {
    return form_.dropout_too && wants(part, role) && role == Role::untrained;
  }

  void begin_fold(const FoldSubjects& fold) override;
  void see(const BatchView& view, const Site& site, const Tensor& value) override;
  void see_gradient(const BatchView& view, const Site& site, const Tensor& gradient) override {
    add_rows(view, {view.subject.role, false, {site.layer, site.module}}, &Streams::gradients, gradient);
  }
  void end_gradients(const BatchView& view) override {  // the graph of the plain pass is freed by then
    if (form_.dropout_too && view.subject.role == Role::untrained) pass_with_dropout(view);
  }
  void end_fold(const FoldSubjects& fold) override;
  Findings finish() override;

 private:
  struct Where {
    Role role;
    bool dropout;
    Place place;
    auto operator<=>(const Where&) const = default;
  };
  struct Streams {
    Gram activations;  // A x
    Gram random_a;     // A' x, A' random
    Gram gradients;    // of the loss, at B A x
  };
  // The Gram matrices of one place, R×R and out×out, with B.
  struct Matrices {
    Tensor activations, gradients, b;
  };

  void add_rows(const BatchView& view, const Where& where, Gram Streams::* stream, const Tensor& value);
  void pass_with_dropout(const BatchView& view);
  const Tensor& random_factor(const char* name, const Place& place, at::IntArrayRef shape);
  void add(int64_t fold, const RowKey& key, const Matrices& matrices);
  void add(int64_t fold, RowKey key, const char* component, const char* variant, const Tensor& singular_values);
  void add_variants(int64_t fold, const RowKey& key, const Where& where, const Factors& factors,
                    const Streams& streams);
  void add_random(int64_t fold, const RowKey& key, const Where& where, const Factors& factors, const Streams& streams);

  const Setting& setting_;
  SpectrumForm form_;
  SpectrumCurves curves_;
  Intruders intruders_;
  std::map<Where, Streams> streams_;  // of the current fold
  std::map<std::pair<std::string, Place>, Tensor> random_factors_;  // N(0, 1), float32, the same in all folds
  std::set<std::string> notes_;
  int64_t clips_ = 0;  // of the current fold
};

void Spectrum::begin_fold(const FoldSubjects& fold) {
  clips_ = std::ssize(fold.of(form_.part));
  if (fold.adapted.model.adapted.adapters.empty())
    notes_.insert("The model has no adapters, so there are no activations of A and B.");
  if (const std::string note = setting_.note_on_site_adapters(); !note.empty()) notes_.insert(note);
  for (const auto& [place, adapter] : fold.adapted.model.adapted.adapters.linear) {
    if (!factors_at(fold.adapted, place))
      notes_.insert("Spectra of A and B exist for adapters with two factors only; this model has others.");
    else if (form_.dropout_too && !adapter->has_dropout())
      notes_.insert("The adapters have no dropout, so the rows of variant dropout equal the plain ones.");
  }
  if (!form_.weights_too) return;
  if (const std::string why = add_weight_spectra(fold, curves_, intruders_); !why.empty()) notes_.insert(why);
}

void Spectrum::add_rows(const BatchView& view, const Where& where, Gram Streams::* stream, const Tensor& value) {
  (streams_[where].*stream).add(at::cat(view.speech_of(value)));
}

void Spectrum::see(const BatchView& view, const Site& site, const Tensor& value) {
  if (site.kind == SiteKind::adapter_down) {
    const Place place{site.layer, site.module};
    if (factors_at(view.subject, place))
      add_rows(view, {view.subject.role, false, place}, &Streams::activations, value);
    return;
  }
  for (const Place& place : setting_.adapted) {
    if (place.layer != site.layer || input_of(place.module) != site.kind) continue;
    const auto factors = factors_at(view.subject, place);
    if (!factors) continue;
    const Tensor x = value.to(c10::promoteTypes(value.scalar_type(), c10::ScalarType::Float));
    const Tensor a = random_factor("random-A", place, factors->a.sizes()).to(x.options());
    add_rows(view, {view.subject.role, false, place}, &Streams::random_a, at::linear(x, a));
  }
}

// The published code never sets the untrained model to evaluation mode. This pass reproduces it: the batch again, from
// the first adapted layer on, with LoRA's dropout.
void Spectrum::pass_with_dropout(const BatchView& view) {
  const EmotionModel& model = view.subject.model;
  const int64_t first = model.first_adapted_layer();
  if (model.adapted.adapters.linear.empty()) return;
  AdapterReader reader;
  Taps taps;
  taps.observers.push_back(&reader);
  Pass pass = view.pass;
  pass.taps = &taps;
  pass.dropout = {true, hash_of(setting_.seed, hash_of("dropout")), 0};
  std::vector<Tensor> gradients;
  {
    const at::AutoGradMode enabled(true);
    const Tensor x = view.residuals[first].detach().requires_grad_();
    const Tensor out = logits_from(view.subject.network(), x, first, pass);
    if (reader.up.empty()) return;  // no adapter has two factors
    gradients = torch::autograd::grad({view.loss_of(out)}, reader.up);
  }
  for (size_t i = 0; i < reader.places.size(); ++i) {
    if (!factors_at(view.subject, reader.places[i])) continue;
    const Where where{Role::untrained, true, reader.places[i]};
    add_rows(view, where, &Streams::activations, reader.down[i]);
    add_rows(view, where, &Streams::gradients, gradients[i]);
  }
}

const Tensor& Spectrum::random_factor(const char* name, const Place& place, at::IntArrayRef shape) {
  Tensor& values = random_factors_[{name, place}];
  if (!values.defined())
    values =
        normal_values(shape, hash_of(setting_.seed, hash_of(name), place.layer, static_cast<uint64_t>(place.module)))
            .to(c10::ScalarType::Float);
  return values;
}

void Spectrum::add(int64_t fold, RowKey key, const char* component, const char* variant,
                   const Tensor& singular_values) {
  key.component = component;
  key.variant = variant;
  curves_.add(fold, key, singular_values, clips_);
}

void Spectrum::add(int64_t fold, const RowKey& key, const Matrices& m) {
  const char* variant = key.variant.c_str();
  add(fold, key, "A", variant, singular_values(m.activations));
  add(fold, key, "B", variant, widened(singular_values_of_image(m.activations, m.b), m.b.size(0)));
  if (!m.gradients.defined()) return;
  add(fold, key, "A-gradient", variant, singular_values(gram_of_image(m.gradients, m.b.t())));
  add(fold, key, "B-gradient", variant, singular_values(m.gradients));
}

// Centred spectra, and spectra of A in the balanced gauge (B A x and its gradient do not depend on the gauge).
void Spectrum::add_variants(int64_t fold, const RowKey& key, const Where& where, const Factors& factors,
                            const Streams& streams) {
  RowKey centred = key;
  centred.variant = "centred";
  const bool gradients = streams.gradients.rows() > 0;
  add(fold, centred,
      {streams.activations.centred(), gradients ? streams.gradients.centred() : Tensor(), on_cpu(factors.b)});
  const BalancedGauge gauge = balanced_gauge(factors.a, factors.b);
  add(fold, key, "A", "balanced", singular_values(gram_of_image(streams.activations.uncentred(), gauge.change)));
  if (gradients)
    add(fold, key, "A-gradient", "balanced",
        singular_values(gram_of_image(streams.gradients.uncentred(), gauge.b.t())));
  if (where.role == Role::adapted) add_random(fold, key, where, factors, streams);
}

// The trained A with a random B and the reverse; a random factor has the norm of the factor that it replaces. Only the
// product changes: the input x and the gradient at B A x are those of the trained model.
void Spectrum::add_random(int64_t fold, const RowKey& key, const Where& where, const Factors& factors,
                          const Streams& streams) {
  const Tensor draw = on_cpu(random_factor("random-B", where.place, factors.b.sizes()));
  const Tensor random_b = draw * (norm_of(factors.b) / norm_of(draw));
  const int64_t out = random_b.size(0);
  add(fold, key, "B", "random-B", widened(singular_values_of_image(streams.activations.uncentred(), random_b), out));
  if (streams.gradients.rows() > 0)
    add(fold, key, "A-gradient", "random-B",
        singular_values(gram_of_image(streams.gradients.uncentred(), random_b.t())));

  const double scale = norm_of(factors.a) / norm_of(random_factor("random-A", where.place, factors.a.sizes()));
  const Tensor random_a = streams.random_a.uncentred() * (scale * scale);
  add(fold, key, "A", "random-A", singular_values(random_a));
  add(fold, key, "B", "random-A", widened(singular_values_of_image(random_a, factors.b), out));
}

void Spectrum::end_fold(const FoldSubjects& fold) {
  for (const auto& [where, streams] : streams_) {
    const Factors factors = *factors_at(fold.of(where.role), where.place);
    const RowKey key{.model = std::string(name_of(where.role)),
                     .variant = where.dropout ? "dropout" : "",
                     .layer = where.place.layer,
                     .module = std::string(name_of(where.place.module))};
    add(fold.fold, key,
        {streams.activations.uncentred(), streams.gradients.rows() > 0 ? streams.gradients.uncentred() : Tensor(),
         on_cpu(factors.b)});
    if (form_.variants_too) add_variants(fold.fold, key, where, factors, streams);
  }
  streams_.clear();
  curves_.end_fold(fold.fold);
}

Findings Spectrum::finish() {
  Findings findings;
  findings.rows = curves_.rows();
  intruders_.annotate(findings.rows);
  findings.arrays = curves_.arrays();
  for (const auto& [key, values] : random_factors_)
    findings.arrays.push_back(
        {fmt::format("{}/{}/{}", key.first, name_of(key.second.module), key.second.layer), values});
  findings.notes.assign(notes_.begin(), notes_.end());
  for (std::string& note : curves_.notes()) findings.notes.push_back(std::move(note));
  for (std::string& note : intruders_.notes()) findings.notes.push_back(std::move(note));
  if (!random_factors_.empty())
    findings.notes.push_back(
        "Variants random-A and random-B replace one factor of the product only: the input and the backpropagated "
        "gradient are the trained model's.");
  describe_spectra(form_, findings);
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_spectrum(const Setting& setting) {
  return std::make_unique<Spectrum>(setting, setting.protocol.as_published ? published_spectrum : strict_spectrum);
}

}  // namespace loralens
