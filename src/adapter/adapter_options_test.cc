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
  for (const auto& place : attachments(tiny_config(), options)) paths.push_back(module_path(place.layer, place.module));
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

const Attachment& at_place(const std::vector<Attachment>& all, const std::string& path) {
  for (const auto& place : all)
    if (module_path(place.layer, place.module) == path) return place;
  fail("nothing is attached to {}", path);
}

TEST(Targets, HaveRankAndScaleOfTheirOwnByPattern) {
  AdapterOptions options = targets({"v_proj", "fc1"});
  options.rank = 8;
  options.alpha = 16;
  options.rank_pattern = {{"fc1", 4}, {"encoder.layers.2.self_attn.v_proj", 2}, {"fc", 100}, {R"(1\..*)", 5}};
  options.alpha_pattern = {{"v_proj", 6}};
  const auto all = attachments(tiny_config(), options);
  EXPECT_EQ(at_place(all, "encoder.layers.0.self_attn.v_proj").rank, 8);
  EXPECT_EQ(at_place(all, "encoder.layers.0.self_attn.v_proj").scale, 6.0 / 8);
  EXPECT_EQ(at_place(all, "encoder.layers.1.self_attn.v_proj").rank, 5);
  EXPECT_EQ(at_place(all, "encoder.layers.2.self_attn.v_proj").rank, 2);
  EXPECT_EQ(at_place(all, "encoder.layers.2.fc1").rank, 4);
  EXPECT_EQ(at_place(all, "encoder.layers.2.fc1").scale, 16.0 / 4);
}

TEST(Targets, EachPatternIsOfSomeModule) {
  AdapterOptions options = targets({"v_proj", "fc1"});
  options.rank_pattern = {{"fc1", 4}, {R"(1\..*)", 5}};
  options.alpha_pattern = {{"self_attn.v_proj", 6}};
  EXPECT_EQ(unused_pattern(tiny_config(), options), "");
  options.alpha_pattern["fc2"] = 2;
  EXPECT_EQ(unused_pattern(tiny_config(), options), "fc2");
  options.rank_pattern["fc"] = 1;
  EXPECT_EQ(unused_pattern(tiny_config(), options), "fc");
}

TEST(Targets, PatternsTakeBoundedTime) {
  const auto error_with = [](const std::function<void(AdapterOptions&)>& change) {
    AdapterOptions options = targets({"v_proj"});
    change(options);
    return error_of([&] { attachments(tiny_config(), options); });
  };
  const std::string slow = "((\\w|\\.)+)+[!?]";
  EXPECT_THAT(error_with([&](auto& o) { o.target_pattern = slow; }), HasSubstr("takes too many steps"));
  EXPECT_THAT(error_with([&](auto& o) { o.rank_pattern = {{slow, 4}}; }), HasSubstr("takes too many steps"));
  EXPECT_THAT(error_with([&](auto& o) { o.alpha_pattern = {{slow, 4}}; }), HasSubstr("takes too many steps"));
  EXPECT_THAT(error_with([](auto& o) { o.target_pattern = std::string(200'000, 'a'); }), HasSubstr("200000 letters"));
  EXPECT_THAT(error_with([](auto& o) { o.rank_pattern = {{"(", 4}}; }), HasSubstr("is no regular expression"));
  EXPECT_THAT(error_with([](auto& o) {
                for (int i = 0; i < 1001; ++i) o.rank_pattern[fmt::format("fc{}", i)] = 4;
              }),
              HasSubstr("at most 1000"));
}

TEST(Targets, AreScaledByTheRankOrItsRoot) {
  AdapterOptions options = targets({"v_proj"});
  options.rank = 16;
  options.alpha = 24;
  EXPECT_EQ(attachments(tiny_config(), options)[0].scale, 1.5);
  options.rslora = true;
  EXPECT_EQ(attachments(tiny_config(), options)[0].scale, 6);
}

TEST(Targets, NumbersOutOfRangeAreErrors) {
  const auto error_with = [](const std::function<void(AdapterOptions&)>& change) {
    AdapterOptions options;
    change(options);
    return error_of([&] { attachments(tiny_config(), options); });
  };
  EXPECT_EQ(error_with([](auto& o) { o.rank = 4096; }), "");
  EXPECT_THAT(error_with([](auto& o) { o.rank = 0; }), HasSubstr("a rank of 0 is out of range"));
  EXPECT_THAT(error_with([](auto& o) { o.rank = 4097; }), HasSubstr("a rank of 4097"));
  EXPECT_THAT(error_with([](auto& o) { o.rank_pattern["v_proj"] = -1; }), HasSubstr("a rank of -1"));
  EXPECT_THAT(error_with([](auto& o) { o.alpha = 0; }), HasSubstr("alpha is 0"));
  EXPECT_THAT(error_with([](auto& o) { o.alpha = NAN; }), HasSubstr("alpha is nan"));
  EXPECT_THAT(error_with([](auto& o) { o.alpha = INFINITY; }), HasSubstr("alpha is inf"));
  EXPECT_THAT(error_with([](auto& o) { o.dropout = 1; }), HasSubstr("a dropout of 1"));
  EXPECT_THAT(error_with([](auto& o) { o.dropout = -0.1; }), HasSubstr("a dropout of -0.1"));
  EXPECT_THAT(error_with([](auto& o) { o.dropout = NAN; }), HasSubstr("a dropout of nan"));
  EXPECT_THAT(error_with([](auto& o) { o.layers = {3}; }),
              HasSubstr("there is no layer 3: this encoder has the layers 0 to 2"));
  EXPECT_THAT(error_with([](auto& o) { o.layers = {-1}; }), HasSubstr("there is no layer -1"));
  EXPECT_THAT(error_with([](auto& o) {
                o.target_pattern = ".*fc1";
                o.layers = {0};
              }),
              HasSubstr("name the layers in the pattern"));
}

}  // namespace
}  // namespace loralens
