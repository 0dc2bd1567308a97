// SPDX-License-Identifier: Apache-2.0
// Models that train some tensors of the encoder and share the others with the base.
#include "classifier/test_model.h"

namespace loralens {
namespace {

using at::Tensor;

AdapterOptions on_layers(const std::string& method, std::vector<int64_t> layers) {
  AdapterOptions options{.method = method};
  options.layers = std::move(layers);
  return options;
}

TEST(TrainedLayers, ShareTheOtherTensorsWithTheBase) {
  const Base base = tiny_base({c10::ScalarType::BFloat16, c10::ScalarType::Float});
  const EmotionModel model = make_model(base, on_layers("full", {2}), {}, {"a", "b"}, 1);
  EXPECT_EQ(model.first_adapted_layer(), 2);
  EXPECT_EQ(model.adapted.encoder.layers[1].fc1.weight.data_ptr(), base.encoder.layers[1].fc1.weight.data_ptr());
  EXPECT_EQ(model.adapted.encoder.layers[2].fc1.weight.scalar_type(), c10::ScalarType::Float);
  const Tensor x = random_tensor({21, 16}, 1).to(c10::ScalarType::Float);
  EXPECT_TRUE(same_bits(run(model.compute_encoder(), {}, x, {0, 3}, pass_of({21})).detach(),
                        run(base.encoder, {}, x, {0, 3}, pass_of({21}))))
      << "an untrained model equals the base model";
  EXPECT_EQ(make_model(base, on_layers("bitfit", {}), {}, {"a", "b"}, 1).first_adapted_layer(), -1);
  EXPECT_EQ(make_model(base, on_layers("bitfit", {1, 2}), {}, {"a", "b"}, 1).first_adapted_layer(), 1);
  EXPECT_EQ(make_model(base, on_layers("bitfit", {1, 2}), {8, true}, {"a", "b"}, 1).first_adapted_layer(), 0);
}

}  // namespace
}  // namespace loralens
