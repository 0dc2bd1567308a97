// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "adapter/lora/lora.h"
#include "base/test_folder.h"
#include "whisper/test_encoder.h"

namespace loralens {
namespace {

using testing::HasSubstr;

AdapterOptions targets(std::vector<std::string> names) {
  AdapterOptions options;
  options.targets = std::move(names);
  return options;
}

LoraOptions& lora_of(AdapterOptions& options) { return own_to_change<LoraOptions>(options.own); }

std::vector<LowRankPlace> places_of(const AdapterOptions& options) {
  return low_rank_places(tiny_config(), options, options.own_as<LoraOptions>());
}

const LowRankPlace& at_place(const std::vector<LowRankPlace>& all, const std::string& path) {
  for (const auto& place : all)
    if (path_of(place.place) == path) return place;
  fail("nothing is attached to {}", path);
}

TEST(LowRankPlaces, HaveRankAndScaleOfTheirOwnByPattern) {
  AdapterOptions options = targets({"v_proj", "fc1"});
  lora_of(options).rank = 8;
  lora_of(options).alpha = 16;
  lora_of(options).rank_pattern = {{"fc1", 4}, {"encoder.layers.2.self_attn.v_proj", 2}, {"fc", 100}, {R"(1\..*)", 5}};
  lora_of(options).alpha_pattern = {{"v_proj", 6}};
  const auto all = places_of(options);
  EXPECT_EQ(at_place(all, "encoder.layers.0.self_attn.v_proj").rank, 8);
  EXPECT_EQ(at_place(all, "encoder.layers.0.self_attn.v_proj").scale, 6.0 / 8);
  EXPECT_EQ(at_place(all, "encoder.layers.1.self_attn.v_proj").rank, 5);
  EXPECT_EQ(at_place(all, "encoder.layers.2.self_attn.v_proj").rank, 2);
  EXPECT_EQ(at_place(all, "encoder.layers.2.fc1").rank, 4);
  EXPECT_EQ(at_place(all, "encoder.layers.2.fc1").scale, 16.0 / 4);
}

TEST(LowRankPlaces, PatternsOfAnotherModelBecomeNamesOfModules) {
  AdapterOptions options = targets({"v_proj", "fc1"});
  options.encoder_name = "model.encoder.";
  lora_of(options).rank = 8;
  lora_of(options).alpha = 16;
  lora_of(options).rank_pattern = {{"model.encoder.layers.1.fc1", 4}};
  lora_of(options).alpha_pattern = {{R"(model\.encoder\..*v_proj)", 6}};
  const auto before = places_of(options);
  const AdapterOptions renamed = low_rank_for_classifier(tiny_config(), options);
  EXPECT_EQ(renamed.encoder_name, AdapterOptions().encoder_name);
  const auto after = places_of(renamed);
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].place, before[i].place);
    EXPECT_EQ(after[i].rank, before[i].rank);
    EXPECT_EQ(after[i].scale, before[i].scale);
  }
  EXPECT_EQ(at_place(after, "encoder.layers.1.fc1").rank, 4);
  EXPECT_EQ(at_place(after, "encoder.layers.0.fc1").rank, 8);
  EXPECT_EQ(at_place(after, "encoder.layers.0.self_attn.v_proj").scale, 6.0 / 8);
  EXPECT_EQ(error_of([&] { check_patterns(tiny_config(), renamed, renamed.own_as<LoraOptions>()); }), "");
}

TEST(LowRankPlaces, EachPatternMustMatchAModule) {
  AdapterOptions options = targets({"v_proj", "fc1"});
  lora_of(options).rank_pattern = {{"fc1", 4}, {R"(1\..*)", 5}};
  lora_of(options).alpha_pattern = {{"self_attn.v_proj", 6}};
  EXPECT_EQ(error_of([&] { check_patterns(tiny_config(), options, lora_of(options)); }), "");
  lora_of(options).alpha_pattern["fc2"] = 2;
  EXPECT_THAT(error_of([&] { check_patterns(tiny_config(), options, lora_of(options)); }),
              HasSubstr("'fc2' has its own rank"));
  lora_of(options).rank_pattern["fc"] = 1;
  EXPECT_THAT(error_of([&] { check_patterns(tiny_config(), options, lora_of(options)); }),
              HasSubstr("'fc' has its own rank"));
}

TEST(LowRankPlaces, PatternsTakeBoundedTime) {
  const auto error_with = [](const std::function<void(AdapterOptions&)>& change) {
    AdapterOptions options = targets({"v_proj"});
    change(options);
    return error_of([&] { places_of(options); });
  };
  const std::string slow = "((\\w|\\.)+)+[!?]";
  EXPECT_THAT(error_with([&](auto& o) { lora_of(o).rank_pattern = {{slow, 4}}; }), HasSubstr("takes too many steps"));
  EXPECT_THAT(error_with([&](auto& o) { lora_of(o).alpha_pattern = {{slow, 4}}; }), HasSubstr("takes too many steps"));
  EXPECT_THAT(error_with([](auto& o) { lora_of(o).rank_pattern = {{"(", 4}}; }), HasSubstr("is no regular expression"));
  EXPECT_THAT(error_with([](auto& o) {
                for (int i = 0; i < 1001; ++i) lora_of(o).rank_pattern[fmt::format("fc{}", i)] = 4;
              }),
              HasSubstr("at most 1000"));
}

TEST(LowRankPlaces, AreScaledByTheRankOrItsRoot) {
  AdapterOptions options = targets({"v_proj"});
  lora_of(options).rank = 16;
  lora_of(options).alpha = 24;
  EXPECT_EQ(places_of(options)[0].scale, 1.5);
  lora_of(options).rslora = true;
  EXPECT_EQ(places_of(options)[0].scale, 6);
}

TEST(LowRankPlaces, NumbersOutOfRangeAreErrors) {
  const auto error_with = [](const std::function<void(AdapterOptions&)>& change) {
    AdapterOptions options;
    change(options);
    return error_of([&] { places_of(options); });
  };
  EXPECT_EQ(error_with([](auto& o) { lora_of(o).rank = 4096; }), "");
  EXPECT_THAT(error_with([](auto& o) { lora_of(o).rank = 0; }), HasSubstr("a rank of 0 is out of range"));
  EXPECT_THAT(error_with([](auto& o) { lora_of(o).rank = 4097; }), HasSubstr("a rank of 4097"));
  EXPECT_THAT(error_with([](auto& o) { lora_of(o).rank_pattern["v_proj"] = -1; }), HasSubstr("a rank of -1"));
  EXPECT_THAT(error_with([](auto& o) { lora_of(o).alpha = 0; }), HasSubstr("alpha is 0"));
  EXPECT_THAT(error_with([](auto& o) { lora_of(o).alpha = NAN; }), HasSubstr("alpha is nan"));
  EXPECT_THAT(error_with([](auto& o) { lora_of(o).alpha = INFINITY; }), HasSubstr("alpha is inf"));
  EXPECT_THAT(error_with([](auto& o) { lora_of(o).dropout = 1; }), HasSubstr("a dropout of 1"));
  EXPECT_THAT(error_with([](auto& o) { lora_of(o).dropout = -0.1; }), HasSubstr("a dropout of -0.1"));
  EXPECT_THAT(error_with([](auto& o) { lora_of(o).dropout = NAN; }), HasSubstr("a dropout of nan"));
}

}  // namespace
}  // namespace loralens
