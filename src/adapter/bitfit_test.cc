// SPDX-License-Identifier: Apache-2.0
// BitFit, and full fine-tuning of some layers.
#include <gmock/gmock.h>

#include "adapter/method.h"
#include "adapter/recorded_options.h"
#include "whisper/test_encoder.h"

namespace loralens {
namespace {

AdapterOptions on_layers(const std::string& method, std::vector<int64_t> layers) {
  AdapterOptions options{.method = method};
  options.layers = std::move(layers);
  return options;
}

std::vector<std::string> trained_by(const AdapterOptions& options) {
  std::vector<std::string> names;
  for (const Parameter& p : method_named(options.method).attach(tiny_encoder(), options, 42).parameters)
    names.push_back(p.name);
  return names;
}

TEST(BitFit, TrainsTheBiasesAlone) {
  const auto names = trained_by(on_layers("bitfit", {}));
  EXPECT_EQ(names.size(), 2u + 3 * 7 + 1);  // stem; per layer 5 linear layers and 2 norms; the final norm
  for (const std::string& name : names) EXPECT_TRUE(name.ends_with(".bias")) << name;
}

TEST(BitFit, WithSomeLayersTrainsNeitherTheStemNorOtherLayers) {
  EXPECT_THAT(trained_by(on_layers("bitfit", {0})),
              testing::AllOf(testing::SizeIs(7), testing::Each(testing::StartsWith("encoder.layers.0."))));
  EXPECT_THAT(trained_by(on_layers("full", {2})),
              testing::AllOf(testing::SizeIs(7 + 6 + 2 + 2 - 2 + 2), testing::Contains("encoder.layer_norm.weight"),
                             testing::Each(testing::Not(testing::HasSubstr("conv")))));
}

TEST(TrainedLayers, AreRecorded) {
  EXPECT_EQ(recorded_options(on_layers("full", {2})), nlohmann::json::parse(R"({"layers": [2]})"));
}

}  // namespace
}  // namespace loralens
