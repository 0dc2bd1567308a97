// SPDX-License-Identifier: Apache-2.0
#include "analysis/ablation/replaced_factors.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <filesystem>
#include <functional>
#include <optional>

#include "analysis/adapted_modules.h"
#include "base/random.h"
#include "checkpoint/safetensors.h"
#include "statistics/normal_values.h"

namespace loralens {
namespace {

using at::Tensor;

enum class Side { a, b };
constexpr std::pair<Side, const char*> sides[] = {{Side::a, "A"}, {Side::b, "B"}};

const Tensor& of(Side side, const Factors& factors) { return side == Side::a ? factors.a : factors.b; }

// The tensor that replaces the factor of this shape, type and norm at a place; nullopt if there is none.
using Source = std::function<std::optional<Tensor>(const Place& place, Side side, const Tensor& trained)>;

// Values before the training, from the file that `train` writes beside a model.
class Start {
 public:
  explicit Start(const Path& folder) {
    const Path path = folder / "initial.safetensors";
    if (std::filesystem::exists(path)) file_.emplace(path);
  }
  bool known() const { return file_.has_value(); }
  std::optional<Tensor> operator()(const Place& place, Side side, const Tensor& trained) const {
    const std::string name = path_of(place) + (side == Side::a ? ".lora_A.weight" : ".lora_B.weight");
    if (!file_ || !file_->contains(name) || file_->shape(name) != trained.sizes().vec()) return std::nullopt;
    return file_->read(name).to(trained.options());
  }

 private:
  std::optional<Safetensors> file_;
};

Tensor noise_like(const Tensor& trained, uint64_t seed) {
  const Tensor noise = normal_values(trained.sizes(), seed).to(trained.options());
  return noise * (trained.norm() / noise.norm());
}

// The factor of the same place in another model, if it has the same shape.
std::optional<Tensor> factor_in(const EmotionModel& model, const Place& place, Side side, const Tensor& trained) {
  const auto found = model.adapted.adapters.linear.find(place);
  if (found == model.adapted.adapters.linear.end()) return std::nullopt;
  const auto factors = found->second->factors();
  if (!factors || of(side, *factors).sizes() != trained.sizes()) return std::nullopt;
  return of(side, *factors).detach();
}

// The adapters with one factor of a layer replaced; nullopt if the source has none for some place of the layer.
std::optional<AdapterSet> with_replaced(const AdapterSet& adapters, int64_t layer, Side side, const Source& source) {
  AdapterSet changed = adapters;
  bool any = false;
  for (auto& [place, adapter] : changed.linear) {
    const auto factors = adapter->factors();
    if (place.layer != layer || !factors) continue;
    const auto replacement = source(place, side, of(side, *factors).detach());
    if (!replacement) return std::nullopt;
    adapter = side == Side::a ? adapter->with_factors(*replacement, factors->b)
                              : adapter->with_factors(factors->a, *replacement);
    any = true;
  }
  return any ? std::optional(changed) : std::nullopt;
}

}  // namespace

std::vector<ReplacedFactor> replaced_factors(const Setting& setting, const FoldSubjects& fold,
                                             std::vector<std::string>& notes) {
  const AdapterSet& adapters = fold.adapted.model.adapted.adapters;
  std::vector<std::pair<const char*, Source>> sources;
  const Start start(setting.model_folders.at(fold.fold));
  if (start.known()) sources.emplace_back("start", std::cref(start));
  sources.emplace_back("noise", [&](const Place& place, Side side, const Tensor& trained) {
    const uint64_t seed = hash_of(setting.seed, hash_of("ablation noise"), fold.fold, place.layer,
                                  static_cast<uint64_t>(place.module), static_cast<uint64_t>(side));
    return std::optional(noise_like(trained, seed));
  });
  const int64_t folds = setting.folds_of_a_run(), first = fold.fold / folds * folds;
  if (folds > 1 && std::ssize(setting.models) == setting.folds)
    sources.emplace_back("swap", [&](const Place& place, Side side, const Tensor& trained) {
      return factor_in(setting.models[first + (fold.fold - first + 1) % folds], place, side, trained);
    });
  std::vector<ReplacedFactor> replaced;
  for (int64_t layer = 0; layer < setting.layers; ++layer)
    for (const auto& [side, name] : sides)
      for (const auto& [source, replacement] : sources)
        if (auto changed = with_replaced(adapters, layer, side, replacement))
          replaced.push_back({fmt::format("{}-{}", name, source), layer, std::move(*changed)});
  if (!replaced.empty() && !start.known())
    notes.push_back(fmt::format("{}: A and B are not replaced by their initial values, which the folder does not hold.",
                                setting.folder_of(fold.fold)));
  return replaced;
}

}  // namespace loralens
