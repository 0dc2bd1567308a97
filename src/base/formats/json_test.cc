// SPDX-License-Identifier: Apache-2.0
#include "base/formats/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "base/error.h"
#include "base/test_folder.h"

namespace loralens {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

std::string complaint(const std::string& text) {
  return error_of([&] { parse_json(text, "a.json"); });
}

std::string nested(size_t levels, const std::string& open, const std::string& close) {
  std::string text;
  for (size_t i = 0; i < levels; ++i) text += open;
  text += "0";
  for (size_t i = 0; i < levels; ++i) text += close;
  return text;
}

TEST(Json, IsWhatTheLibraryParses) {
  for (const char* text : {"null", "true", "-3", "18446744073709551615", "1.5e-3", "\"\\u00e4\\ud83d\\ude00\"", "[]",
                           "{}", " [1, [2, {\"a\": [], \"b\": {\"c\": null}}], \"x\"] ", "\xef\xbb\xbf{\"a\": -0.0}"}) {
    EXPECT_EQ(parse_json(text, "a"), json::parse(text)) << text;
    EXPECT_EQ(parse_json<nlohmann::ordered_json>(text, "a").dump(), nlohmann::ordered_json::parse(text).dump()) << text;
  }
}

TEST(Json, KeepsTheOrderOfKeysWhereAsked) {
  EXPECT_EQ(parse_json<nlohmann::ordered_json>(R"({"z": 1, "a": {"y": 2, "b": 3}})", "a").dump(),
            R"({"z":1,"a":{"y":2,"b":3}})");
}

TEST(Json, DeepNestingIsAnError) {
  EXPECT_EQ(complaint(nested(deepest_json, "[", "]")), "");
  EXPECT_EQ(complaint(nested(deepest_json, "{\"a\":", "}")), "");
  for (const size_t levels : {deepest_json + 1, size_t{100'000}})
    for (const bool list : {true, false})
      EXPECT_THAT(complaint(list ? nested(levels, "[", "]") : nested(levels, "{\"a\":", "}")),
                  AllOf(HasSubstr("a.json"), HasSubstr("nested more than 64 levels deep")));
}

TEST(Json, WhatIsNoJsonIsNamedWithItsPlace) {
  EXPECT_THAT(complaint("{\n \"a\": x}"), HasSubstr("a.json: no valid JSON in line 2, column 7"));
  EXPECT_THAT(complaint(""), HasSubstr("no valid JSON in column"));
  EXPECT_THAT(complaint("{} {}"), HasSubstr("no valid JSON"));
  EXPECT_THAT(complaint("[NaN]"), HasSubstr("no valid JSON"));
  EXPECT_THAT(complaint("[1,]"), HasSubstr("no valid JSON"));
  EXPECT_THAT(complaint("[1e999]"), HasSubstr("a number beyond all bounds"));
  for (const char* text : {"\"T\xfcr\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf0\x9f\x98\""})
    EXPECT_THAT(complaint(text), HasSubstr("(not UTF-8)"));
  EXPECT_THAT(complaint("\"\\ud800\""), HasSubstr("no valid JSON"));
}

TEST(Json, AKeyTwiceIsAnError) {
  EXPECT_THAT(complaint(R"({"a": 1, "b": {"c": 1, "c": 1}})"), HasSubstr("\"c\" stands twice"));
  EXPECT_EQ(complaint(R"([{"a": {"a": 1}}, {"a": 2}])"), "");
  EXPECT_THAT(error_of([] { parse_json<nlohmann::ordered_json>(R"({"a": 1, "b": 2, "a": 1})", "a"); }),
              HasSubstr("\"a\" stands twice"));
}

TEST(Json, TimeIsNotQuadraticInTheNumberOfKeys) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += fmt::format("{}\"key {}\": {{}}", i ? "," : "", i);
  text += "}";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(parse_json(text, "a").size(), 200'000u);
  EXPECT_EQ(parse_json<nlohmann::ordered_json>(text, "a").size(), 200'000u);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(Json, AFileMustHoldAnObject) {
  const TestFolder folder;
  EXPECT_EQ(read_json_object(folder.write("a.json", "{\"x\": 1}")).at("x"), 1);
  EXPECT_THAT(error_of([&] { read_json_object(folder.write("b.json", "[]")); }),
              HasSubstr("b.json: not a JSON object"));
  EXPECT_THAT(error_of([&] { read_json_object(folder.path() / "c.json"); }), HasSubstr("cannot read"));
}

TEST(JsonObject, ValuesHaveTypesAndRanges) {
  const json value = {{"n", 3}, {"x", 0.5}, {"t", "a"}, {"b", true}, {"l", {"a", "b"}}, {"null", nullptr}};
  const JsonObject object(value, "a.json");
  EXPECT_EQ(object.whole("n", {1, 3}), 3);
  EXPECT_EQ(object.number("x", {0, 1}), 0.5);
  EXPECT_EQ(object.number("n", {0, 3}), 3);
  EXPECT_EQ(object.text("t"), "a");
  EXPECT_TRUE(object.truth("b"));
  EXPECT_EQ(object.texts("l"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(object.number("gone", {0, 1}, 0.25), 0.25);
  EXPECT_FALSE(object.has("null") || object.has("gone"));
  EXPECT_EQ(object.text("gone", "b"), "b");
  EXPECT_FALSE(object.truth("gone", false));

  EXPECT_EQ(error_of([&] { object.whole("n", {4, 5}); }), "a.json: \"n\" is 3: expected a whole number, 4 to 5");
  EXPECT_THAT(error_of([&] { object.whole("x", {0, 1}); }), HasSubstr("\"x\" is 0.5: expected a whole number"));
  EXPECT_THAT(error_of([&] { object.number("x", {1, 2}); }), HasSubstr("\"x\" is 0.5: expected a number, 1 to 2"));
  EXPECT_THAT(error_of([&] { object.number("t", {1, 2}); }), HasSubstr("\"t\" is \"a\": expected a number"));
  EXPECT_THAT(error_of([&] { object.text("n"); }), HasSubstr("\"n\" is 3: expected a text"));
  EXPECT_THAT(error_of([&] { object.text("n", ""); }), HasSubstr("expected a text"));
  EXPECT_THAT(error_of([&] { object.truth("n"); }), HasSubstr("expected true or false"));
  EXPECT_THAT(error_of([&] { object.texts("t"); }), HasSubstr("expected a list of texts"));
  EXPECT_EQ(error_of([&] { object.text("gone"); }), "a.json: \"gone\" is missing");
  EXPECT_EQ(error_of([&] { object.number("null", {0, 1}, 0.25); }),
            "a.json: \"null\" is null: expected a number, 0 to 1");
  EXPECT_THAT(error_of([&] { JsonObject(json::array(), "b"); }), HasSubstr("b: not a JSON object"));
}

TEST(JsonObject, WholeNumbersBeyondInt64AreRefused) {
  for (const json& value : {json(UINT64_MAX), json(1e30), json(3.0), json("3"), json(nullptr)})
    EXPECT_THAT(error_of([&] { whole_number(value, "r", {0, INT64_MAX}); }), HasSubstr("expected a whole number"))
        << value;
  EXPECT_EQ(whole_number(INT64_MAX, "r", {0, INT64_MAX}), INT64_MAX);
}

TEST(Json, TextsOfFilesAreShownInOneShortLine) {
  EXPECT_EQ(quoted("a\n\"b\xff"), "\"a\\n\\\"b\\ufffd\"");
  EXPECT_LT(quoted(std::string(10'000, 'x')).size(), 220u);
  EXPECT_LT(shown_json(json(std::vector<int>(10'000))).size(), 220u);
}

}  // namespace
}  // namespace loralens
