// SPDX-License-Identifier: Apache-2.0
// Low-rank adaptation (Hu et al., 2021), as PEFT defines it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapter/adapter_options.h"
#include "adapter/method.h"
#include "base/range.h"
#include "whisper/adapter_set.h"

namespace loralens {

inline constexpr Range<int64_t> ranks{1, 4096};
inline constexpr Range<double> alphas{0, 1e6, Ends::high};
inline constexpr Range<double> dropouts{0, 1, Ends::low};

struct LoraOptions {
  int64_t rank = 32;     // R
  double alpha = 64;     // the update is scaled by alpha / rank
  bool rslora = false;   // rsLoRA: scaled by alpha / sqrt(rank) instead (Kalajdzievski, 2023)
  double dropout = 0.1;  // on the adapter's input, in training only
  std::map<std::string, int64_t> rank_pattern;  // regular expression for the end of a module name -> its rank
  std::map<std::string, double> alpha_pattern;  // the same for alpha
  // "A": A keeps its initial values (LoRA-FA, Zhang et al., 2023); "B": B keeps its; "": both are trained.
  std::string freeze;
};

// y = W x + b + scale · B A drop(x)
struct Lora : LinearAdapter {
  at::Tensor a;      // A: R×in
  at::Tensor b;      // B: out×R
  double scale = 1;
  double dropout = 0;

  at::Tensor forward(const Linear& base, const at::Tensor& x, int64_t layer, Module module,
                     const Pass& pass) const override;
  Linear merged(const Linear& base) const override;
  std::optional<Factors> factors() const override { return Factors{a, b, scale}; }
  std::shared_ptr<const LinearAdapter> with_factors(const at::Tensor& a, const at::Tensor& b) const override;
  bool has_dropout() const override { return dropout > 0; }
  AdapterOperations operations() const override;
  void randomise(uint64_t key) const override;

 protected:
  // with_factors() of the class T, which derives from Lora.
  template <typename T>
  static std::shared_ptr<const LinearAdapter> copy_with_factors(const T& lora, const at::Tensor& a,
                                                                const at::Tensor& b) {
    auto copy = std::make_shared<T>(lora);
    copy->a = a;
    copy->b = b;
    return copy;
  }

  // B A x (ΣT×out), not scaled; visits the sites adapter_down and adapter_up. x: ΣT×in, after dropout.
  at::Tensor update(const at::Tensor& x, int64_t layer, Module module, const Pass& pass) const;
};

// A low-rank update of one linear layer: its place, rank and scale.
struct LowRankPlace {
  Place place;
  int64_t rank;
  double scale;  // alpha / rank or alpha / sqrt(rank)
};

// The linear layers that the targets of `options` choose, with rank and scale of `lora`. Errors of target_modules();
// error for a number out of range, and for a pattern that is invalid or takes too long.
std::vector<LowRankPlace> low_rank_places(const WhisperConfig& config, const AdapterOptions& options,
                                          const LoraOptions& lora);

// for_classifier() for low-rank methods: patterns of ranks and alphas become the names of the modules that they match.
AdapterOptions low_rank_for_classifier(const WhisperConfig& config, const AdapterOptions& options);

// Rank and scale of the module that PEFT calls `name`, also of one outside the encoder ("projector"); `place` is left
// empty. Errors for numbers and patterns as above.
LowRankPlace low_rank_of(const std::string& name, const LoraOptions& lora);

// Error if a key of rank_pattern or alpha_pattern matches no adapted module. Errors of low_rank_places().
void check_patterns(const WhisperConfig& config, const AdapterOptions& options, const LoraOptions& lora);

// The options that all low-rank methods have: rank, alpha, dropout, rslora, rank-pattern, alpha-pattern.
std::vector<MethodOption> low_rank_options();

// Sets scale and dropout of a new adapter of the linear layer `base`, and initialises A and B as PEFT does: A uniform
// in ±1/√in, B = 0, both trained. A and B have the type and device of `type`.
void start_lora(Lora& lora, const LowRankPlace& low_rank, const Linear& base, double dropout, uint64_t seed,
                const at::TensorOptions& type);

// Fills the factors of an adapter of a module outside the encoder from a file's tensors NAME.lora_A.weight and
// NAME.lora_B.weight. prefix: of the names in the file.
void load_factors(Lora& lora, const std::string& name, const std::string& prefix, const TensorReader& read);

// Adds A and B to the method's parameters under PEFT's names. A factor that requires no gradient is not trained.
void add_factors(Adapted& adapted, const Place& place, const Lora& lora);

}  // namespace loralens
