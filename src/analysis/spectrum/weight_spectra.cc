// SPDX-License-Identifier: Apache-2.0
#include "analysis/spectrum/weight_spectra.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_svdvals.h>
#include <fmt/format.h>

#include <map>

#include "analysis/weight_update.h"
#include "statistics/singular_spectrum.h"

namespace loralens {
namespace {

using at::Tensor;

// Dimensions of the compared subspaces of ΔW and of W.
constexpr int64_t delta_directions[] = {1, 4, 16};
constexpr int64_t weight_directions[] = {16, 64};

RowKey key_of(const std::string& model, const Place& place, const std::string& component) {
  return {.model = model, .layer = place.layer, .module = std::string(name_of(place.module)), .component = component};
}

// Number of singular values above rounding error.
int64_t rank_of(const Tensor& values) { return values.gt(1e-6 * values.max()).sum().item<int64_t>(); }

void add_overlaps(int64_t fold, RowKey key, const Tensor& of_delta, int64_t rank, const Tensor& of_weight,
                  SpectrumCurves& curves) {
  for (const int64_t i : delta_directions)
    for (const int64_t j : weight_directions) {
      if (i > rank || j >= of_weight.size(0) || j > of_weight.size(1)) continue;
      key.variant = fmt::format("top-{}-in-{}", i, j);
      key.metric = "overlap";
      curves.add(fold, key, subspace_overlap(of_delta.narrow(1, 0, i), of_weight.narrow(1, 0, j)), 0);
      key.metric = "chance";
      curves.add(fold, key, chance_overlap(i, j, of_weight.size(0)), 0);
    }
}

// w, delta: out×in, float64, CPU.
void add_weight(int64_t fold, const Place& place, const Tensor& w, const Tensor& delta, SpectrumCurves& curves,
                Intruders& intruders) {
  const SingularDirections base = singular_directions(w), update = singular_directions(delta),
                           whole = singular_directions(w + delta);
  curves.add(fold, key_of("frozen", place, "weight"), base.values, 0);
  curves.add(fold, key_of("adapted", place, "delta-weight"), update.values, 0);
  curves.add(fold, key_of("adapted", place, "adapted-weight"), whole.values, 0);
  const int64_t rank = rank_of(update.values);
  intruders.add(fold, key_of("adapted", place, "adapted-weight"), base, update, whole, rank, curves);
  add_overlaps(fold, key_of("adapted", place, "output-directions"), update.left, rank, base.left, curves);
  add_overlaps(fold, key_of("adapted", place, "input-directions"), update.right, rank, base.right, curves);
}

std::string add_trained_encoder(const FoldSubjects& fold, SpectrumCurves& curves, Intruders& intruders) {
  const EmotionModel& model = fold.adapted.model;
  const EmotionModel& base = fold.frozen.model;
  if (base.adapted.encoder.layers.empty())
    return "The change of the weights needs the base encoder, which is unknown: give it with --model.";
  if (base.base_sha256 != model.base_sha256 || base.adapted.encoder_trained || !base.adapted.adapters.empty())
    return "The change of the weights needs the base encoder; the model given to compare with is another one.";
  const auto type = base.adapted.encoder.layers.front().q.weight.scalar_type();
  if (type != c10::ScalarType::Float && type != c10::ScalarType::Double)
    return "The change of the weights is below the rounding error of a 16-bit base encoder: choose --precision fp32.";
  bool changed = false;
  for (int64_t layer = 0; layer < model.adapted.encoder.config.layers; ++layer)
    for (const Module module : linear_modules) {
      const Tensor w = exact(base.adapted.encoder.linear(layer, module)).weight.cpu();
      const Tensor delta = exact(model.adapted.encoder.linear(layer, module)).weight.cpu() - w;
      if (!delta.any().item<bool>()) continue;  // a tensor that was not trained
      add_weight(fold.fold, {layer, module}, w, delta, curves, intruders);
      changed = true;
    }
  if (!changed) return "The encoder's weight matrices are those of the base model: there is no change to analyse.";
  return {};
}

}  // namespace

std::string add_weight_spectra(const FoldSubjects& fold, SpectrumCurves& curves, Intruders& intruders) {
  const at::NoGradGuard no_grad;
  const Adapted& adapted = fold.adapted.model.adapted;
  if (adapted.encoder_trained) return add_trained_encoder(fold, curves, intruders);
  if (adapted.adapters.empty())
    return "The encoder's weights are those of the base model: there is no change to analyse.";
  for (const auto& [place, adapter] : adapted.adapters.linear) {
    const Linear& base = adapted.encoder.linear(place.layer, place.module);
    add_weight(fold.fold, place, exact(base).weight.cpu(), update_of(base, *adapter).weight, curves, intruders);
  }
  for (const auto& [place, adapter] : fold.untrained.model.adapted.adapters.linear) {
    const Linear& base = fold.untrained.model.adapted.encoder.linear(place.layer, place.module);
    curves.add(fold.fold, key_of("untrained", place, "delta-weight"),
               at::linalg_svdvals(update_of(base, *adapter).weight), 0);
  }
  return {};
}

}  // namespace loralens
