// SPDX-License-Identifier: Apache-2.0
#include "adapter/adapter_options.h"

#include <gmock/gmock.h>

#include "base/test_folder.h"
#include "whisper/test_encoder.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> places(const AdapterOptions& options) {
  std::vector<std::string> paths;
  for (const Place& place : target_modules(tiny_config(), options)) paths.push_back(path_of(place));
  return paths;
}

AdapterOptions targets(std::vector<std::string> names) {
  AdapterOptions options;
  options.targets = std::move(names);
  return options;
}

AdapterOptions pattern(std::string text) {
  AdapterOptions options;
  options.target_pattern = std::move(text);
  return options;
}

TEST(Targets, MatchWholeNamesOrEndsAfterADot) {
  EXPECT_THAT(places(targets({"v_proj"})),
              ElementsAre("encoder.layers.0.self_attn.v_proj", "encoder.layers.1.self_attn.v_proj",
                          "encoder.layers.2.self_attn.v_proj"));
  EXPECT_THAT(places(targets({"encoder.layers.1.fc2"})), ElementsAre("encoder.layers.1.fc2"));
  EXPECT_THAT(places(targets({"1.fc2", "2.self_attn.q_proj"})),
              ElementsAre("encoder.layers.1.fc2", "encoder.layers.2.self_attn.q_proj"));
  EXPECT_EQ(places(targets({"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"})).size(), 18u);
  for (const auto* other :
       {"proj", "_proj", "v_pro", "V_PROJ", "encoder", "self_attn", ".v_proj", "conv1", "decoder.layers.0.fc1"})
    EXPECT_THAT(error_of([&] { places(targets({other})); }), HasSubstr("no module of the encoder matches")) << other;
}

TEST(Targets, APatternMatchesTheWholeName) {
  EXPECT_THAT(places(pattern(R"(.*\.(0|2)\.fc[12])")), ElementsAre("encoder.layers.0.fc1", "encoder.layers.0.fc2",
                                                                   "encoder.layers.2.fc1", "encoder.layers.2.fc2"));
  EXPECT_THAT(error_of([] { places(pattern("v_proj")); }), HasSubstr("matches the targets 'v_proj'"));
  EXPECT_THAT(error_of([] { places(pattern("(v_proj")); }), HasSubstr("'(v_proj' is no regular expression"));
}

TEST(Targets, CanBeExcludedAndLimitedToLayers) {
  AdapterOptions options = targets({"v_proj", "fc1"});
  options.excluded = {"2.fc1", "encoder.layers.0.self_attn.v_proj", "roj"};
  EXPECT_THAT(places(options), ElementsAre("encoder.layers.0.fc1", "encoder.layers.1.self_attn.v_proj",
                                           "encoder.layers.1.fc1", "encoder.layers.2.self_attn.v_proj"));
  options.layers = {2, 0};
  EXPECT_THAT(places(options), ElementsAre("encoder.layers.0.fc1", "encoder.layers.2.self_attn.v_proj"));
  options.excluded = {"v_proj", "fc1"};
  EXPECT_THAT(error_of([&] { places(options); }), HasSubstr("no module of the encoder matches"));
}

TEST(Targets, AnExcludedPatternMatchesTheWholeName) {
  AdapterOptions options = targets({"fc1", "fc2"});
  options.excluded_pattern = R"(.*\.[02]\.fc\d)";
  EXPECT_THAT(places(options), ElementsAre("encoder.layers.1.fc1", "encoder.layers.1.fc2"));
  options.excluded_pattern = "fc1";
  EXPECT_EQ(places(options).size(), 6u);
}

TEST(Targets, AreMatchedWithTheNamesOfTheModelThatPeftAdapted) {
  AdapterOptions options = pattern(R"(model\.encoder\.layers\.1\..*fc1)");
  EXPECT_THAT(error_of([&] { places(options); }), HasSubstr("no module"));
  options.encoder_name = "model.encoder.";
  EXPECT_THAT(places(options), ElementsAre("encoder.layers.1.fc1"));
  const AdapterOptions named = for_classifier(tiny_config(), options);
  EXPECT_EQ(named.encoder_name, "encoder.");
  EXPECT_THAT(named.targets, ElementsAre("encoder.layers.1.fc1"));
  EXPECT_THAT(places(named), ElementsAre("encoder.layers.1.fc1"));
}

TEST(Targets, APatternTakesBoundedTime) {
  EXPECT_THAT(error_of([] { places(pattern("((\\w|\\.)+)+[!?]")); }), HasSubstr("takes too many steps"));
  EXPECT_THAT(error_of([] { places(pattern(std::string(200'000, 'a'))); }), HasSubstr("200000 letters"));
}

TEST(Targets, LayersOutOfRangeAreErrors) {
  AdapterOptions options;
  options.layers = {3};
  EXPECT_THAT(error_of([&] { places(options); }), HasSubstr("there is no layer 3: this encoder has the layers 0 to 2"));
  options.layers = {-1};
  EXPECT_THAT(error_of([&] { places(options); }), HasSubstr("there is no layer -1"));
  options.layers = {0};
  options.target_pattern = ".*fc1";
  EXPECT_THAT(error_of([&] { places(options); }), HasSubstr("name the layers in the pattern"));
}

}  // namespace
}  // namespace loralens
