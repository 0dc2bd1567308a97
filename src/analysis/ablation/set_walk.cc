// SPDX-License-Identifier: Apache-2.0
#include "analysis/ablation/set_walk.h"

#include <algorithm>
#include <numeric>

namespace loralens {
namespace {

using at::Tensor;

class SetWalk {
 public:
  SetWalk(const LayerChoice& choice, const Head& head, std::span<const LayerSet> sets, const Pass& pass)
      : choice_(choice), head_(head), sets_(sets), pass_(pass), logits_(sets.size()) {}

  std::vector<Tensor> logits(const Embeddings& embeddings) {
    std::vector<size_t> all(sets_.size());
    std::iota(all.begin(), all.end(), size_t{0});
    in_both_ways(0, all, [&](std::span<size_t> sets, bool adapted) {
      states_ = {adapted ? embeddings.adapted : embeddings.base};
      run_layer(0, sets, adapted);
    });
    return std::move(logits_);
  }

 private:
  // Calls go(sets, adapted) for the sets without `layer` and for those with it; no call without sets.
  template <typename Go>
  void in_both_ways(int64_t layer, std::span<size_t> sets, const Go& go) {
    const auto with = std::ranges::partition(sets, [&](size_t set) { return !contains(sets_[set], layer); });
    const auto without = sets.first(sets.size() - with.size());
    if (!without.empty()) go(without, false);
    if (!with.empty()) go(std::span<size_t>(with), true);
  }

  // sets: agree in the layers up to this one.
  void run_layer(int64_t layer, std::span<size_t> sets, bool adapted) {
    const Encoder& encoder = adapted ? choice_.adapted : choice_.base;
    const AdapterSet& adapters = adapted ? choice_.adapters : none_;
    states_.push_back(run(encoder, adapters, states_.back(), {layer, layer + 1}, pass_));
    const int64_t next = layer + 1;
    if (next < encoder.config.layers) {
      in_both_ways(next, sets, [&](std::span<size_t> some, bool on) { run_layer(next, some, on); });
    } else {
      const Tensor read = logits_from({encoder, none_, head_}, states_.back(), next, pass_, states_);
      for (const size_t set : sets) logits_[set] = read;
    }
    states_.pop_back();
  }

  const LayerChoice& choice_;
  const Head& head_;
  std::span<const LayerSet> sets_;
  const Pass& pass_;
  const AdapterSet none_;
  std::vector<Tensor> states_;  // inputs of the layers so far, then the last one's output: ΣT×D
  std::vector<Tensor> logits_;
};

}  // namespace

std::vector<Tensor> logits_of_sets(const LayerChoice& choice, const Head& head, const Embeddings& embeddings,
                                   std::span<const LayerSet> sets, const Pass& pass) {
  return SetWalk(choice, head, sets, pass).logits(embeddings);
}

}  // namespace loralens
