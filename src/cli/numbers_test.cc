// SPDX-License-Identifier: Apache-2.0
#include "cli/numbers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/commands.h"

namespace loralens {
namespace {

using testing::HasSubstr;

// An option's error message for a text, or "" if it accepts the text.
std::string complaint(CLI::Option& option, const std::string& text) {
  option.clear();
  std::string message;
  try {
    option.add_result(text);
    option.run_callback();
  } catch (const CLI::ParseError& error) {
    message = error.what();
  }
  option.clear();
  return message;
}

void visit_numbers(CLI::App& command, const std::function<void(CLI::Option&)>& visit) {
  for (CLI::Option* option : command.get_options())
    for (const char* kind : {"INT", "UINT", "FLOAT"})
      if (option->get_type_name().starts_with(kind)) visit(*option);
  for (CLI::App* below : command.get_subcommands([](CLI::App*) { return true; })) visit_numbers(*below, visit);
}

TEST(Numbers, EveryNumericOptionOfEveryCommandHasARange) {
  CLI::App app;
  for (const auto add : {add_fetch, add_import, add_corpus, add_audit, add_synth, add_train, add_evaluate, add_predict,
                         add_analyze, add_report})
    add(app);
  int visited = 0;
  visit_numbers(app, [&](CLI::Option& option) {
    ++visited;
    for (const char* text : {"nan", "-nan", "inf", "-inf", "NaN", "1e400", "-1e30", "1e30", "99999999999999999999999",
                             "-1", "0x10", "1x", " 1", "", "true", "1,5"})
      EXPECT_THAT(complaint(option, text), HasSubstr("choose ")) << option.get_name() << " " << text;
    EXPECT_THAT(option.get_description(), testing::EndsWith(")")) << option.get_name();
  });
  EXPECT_GE(visited, 35);
}

TEST(Numbers, MustBeDecimalAndInRange) {
  CLI::App app;
  int64_t whole = 7;
  double share = 0.5;
  CLI::Option& rank = *add_number(app, "--rank", whole, {1, 4096}, "of the update");
  CLI::Option& warmup = *add_number(app, "--warmup", share, {0, 1, Ends::low}, "share of the steps");
  EXPECT_EQ(rank.get_description(), "of the update (1 to 4096)");
  EXPECT_EQ(complaint(rank, "4096"), "");
  EXPECT_EQ(whole, 4096);
  EXPECT_EQ(complaint(rank, "010"), "");
  EXPECT_EQ(whole, 10);  // not octal
  EXPECT_EQ(complaint(rank, "4097"), "--rank 4097 is out of range: choose 1 to 4096");
  EXPECT_EQ(complaint(rank, "2.5"), "--rank 2.5 is no whole number: choose 1 to 4096");
  EXPECT_EQ(complaint(warmup, "5e-05"), "");
  EXPECT_EQ(share, 5e-05);
  EXPECT_EQ(complaint(warmup, "1"), "--warmup 1 is out of range: choose 0 or more and less than 1");
  EXPECT_EQ(complaint(warmup, "nan"), "--warmup nan is no finite number: choose 0 or more and less than 1");
}

TEST(Ranges, HaveWords) {
  EXPECT_EQ((Range<double>{0, 10, Ends::none}.text()), "more than 0 and less than 10");
  EXPECT_EQ((Range<double>{0, 10, Ends::high}.text()), "more than 0 and at most 10");
  EXPECT_EQ((Range<int64_t>{0, 10, Ends::both, true}.text()), "0 (off) to 10");
  EXPECT_TRUE((Range<double>{0, 10, Ends::low}.contains(0)) && !(Range<double>{0, 10, Ends::high}.contains(0)));
  for (const Ends ends : {Ends::both, Ends::low, Ends::high, Ends::none})
    EXPECT_FALSE((Range<double>{0, 10, ends}.contains(std::nan("")))) << static_cast<int>(ends);
}

}  // namespace
}  // namespace loralens
