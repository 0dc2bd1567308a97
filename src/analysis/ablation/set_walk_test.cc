// SPDX-License-Identifier: Apache-2.0
#include "analysis/ablation/set_walk.h"

#include "classifier/test_model.h"

namespace loralens {
namespace {

using at::Tensor;

// The naive reference: one encoder and one set of adapters made of both, passed from the embedding on.
struct Mixed {
  Encoder encoder;
  AdapterSet adapters;

  Mixed(const EmotionModel& model, const Encoder& adapted, const Encoder& base, LayerSet set) : encoder(base) {
    const int64_t last = encoder.config.layers - 1;
    for (int64_t l = 0; l <= last; ++l)
      if (contains(set, l)) encoder.layers[l] = adapted.layers[l];
    if (contains(set, last)) encoder.norm = adapted.norm;
    for (const auto& [place, adapter] : model.adapted.adapters.linear)
      if (contains(set, place.layer)) adapters.linear[place] = adapter;
    for (const auto& [site, adapter] : model.adapted.adapters.sites())
      if (contains(set, site.layer)) adapters.add(site, adapter);
  }
};

void expect_naive(const std::string& method, Precision precision, bool weighted_layer_sum) {
  const Base base = tiny_base(precision);
  const EmotionModel model = tiny_model(base, tiny_adapter(method), weighted_layer_sum);
  const Encoder adapted = model.compute_encoder();
  const Pass pass = pass_of({5, 7, 4});
  const Tensor x = random_tensor({16, 16}, 3).to(precision.sums);
  const bool stem = model.adapted.encoder_trained;
  const Embeddings embeddings{stem ? random_tensor({16, 16}, 4).to(precision.sums) : x, x};
  const std::vector<LayerSet> sets = {7, 0, 5, 2, 4, 3};
  const auto logits =
      logits_of_sets({adapted, model.adapted.adapters, base.encoder}, model.head, embeddings, sets, pass);
  for (size_t i = 0; i < sets.size(); ++i) {
    const Mixed mixed(model, adapted, base.encoder, sets[i]);
    const Tensor start = contains(sets[i], 0) ? embeddings.adapted : embeddings.base;
    EXPECT_TRUE(same_bits(logits[i], logits_from({mixed.encoder, mixed.adapters, model.head}, start, 0, pass)))
        << method << " set " << sets[i];
  }
  const AdapterSet none;
  EXPECT_TRUE(same_bits(logits[0], logits_from(network_of(model, adapted), embeddings.adapted, 0, pass))) << method;
  EXPECT_TRUE(same_bits(logits[1], logits_from({base.encoder, none, model.head}, x, 0, pass))) << method;
  EXPECT_FALSE(same_bits(logits[0], logits[1])) << method;
}

TEST(SetWalk, HasTheBitsOfWholePassesForEveryMethod) {
  const at::NoGradGuard no_grad;
  for (const char* method : {"lora", "dora", "pissa", "vera", "ia3", "houlsby", "pfeiffer", "bitfit", "full"})
    for (const Precision& precision : {in_float, in_double}) expect_naive(method, precision, false);
}

TEST(SetWalk, HasTheBitsOfWholePassesUnderAWeightedLayerSum) {
  const at::NoGradGuard no_grad;
  for (const char* method : {"lora", "full"}) expect_naive(method, in_double, true);
}

}  // namespace
}  // namespace loralens
