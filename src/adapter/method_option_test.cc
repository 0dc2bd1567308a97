// SPDX-License-Identifier: Apache-2.0
#include "adapter/method_option.h"

#include <gmock/gmock.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

struct Toy {
  int64_t width = 16;
  double slope = 0.25;
  bool tied = false;
  std::map<std::string, double> slopes;
};

const MethodOption width = number_option("width", &Toy::width, Range<int64_t>{1, 64}, "width of the toy");
const MethodOption slope = number_option("slope", &Toy::slope, Range<double>{0, 1, Ends::low}, "slope of the toy");
const MethodOption tied = switch_option("tied", &Toy::tied, "one toy for all layers");
const MethodOption slopes =
    numbers_by_module_option("slopes", &Toy::slopes, Range<double>{0, 1}, "slopes of some modules");

TEST(MethodOption, HasHelpWithRangeAndADefault) {
  EXPECT_EQ(width.help, "width of the toy (1 to 64)");
  EXPECT_EQ(width.kind, "INT");
  EXPECT_EQ(width.default_value, "16");
  EXPECT_EQ(slope.help, "slope of the toy (0 or more and less than 1)");
  EXPECT_EQ(slope.kind, "FLOAT");
  EXPECT_EQ(slope.default_value, "0.25");
  EXPECT_EQ(tied.kind, "");
  EXPECT_EQ(slopes.kind, "TEXT");
  EXPECT_EQ(slopes.default_value, "");
}

TEST(MethodOption, SetsItsField) {
  OwnOptions own;
  EXPECT_EQ(own_or_defaults<Toy>(own).width, 16);
  width.set(own, "32");
  slope.set(own, "1e-2");
  tied.set(own, "true");
  slopes.set(own, "fc1=0.5,layers.3.fc2=1");
  const auto& toy = own_or_defaults<Toy>(own);
  EXPECT_EQ(toy.width, 32);
  EXPECT_EQ(toy.slope, 0.01);
  EXPECT_TRUE(toy.tied);
  EXPECT_THAT(toy.slopes, ElementsAre(Pair("fc1", 0.5), Pair("layers.3.fc2", 1)));
  for (const MethodOption& option : {width, slope, tied, slopes}) {
    OwnOptions back;
    option.set(back, option.text(own));
    EXPECT_EQ(option.text(back), option.text(own)) << option.name;
  }
  EXPECT_EQ(slopes.text(own), "fc1=0.5,layers.3.fc2=1");
  tied.set(own, "false");
  EXPECT_FALSE(own_or_defaults<Toy>(own).tied);
  EXPECT_EQ(width.normal("010"), "10");
}

TEST(MethodOption, RefusesValuesOutOfRange) {
  OwnOptions own;
  EXPECT_EQ(width.complaint("64"), "");
  EXPECT_EQ(width.complaint("65"), "is out of range: choose 1 to 64");
  EXPECT_EQ(width.complaint("2.5"), "is no whole number: choose 1 to 64");
  EXPECT_EQ(slope.complaint("nan"), "is no finite number: choose 0 or more and less than 1");
  EXPECT_EQ(error_of([&] { width.set(own, "0"); }), "--width 0 is out of range: choose 1 to 64");
  EXPECT_EQ(error_of([&] { tied.set(own, "yes"); }), "--tied yes is neither true nor false");
  EXPECT_EQ(error_of([&] { slopes.set(own, "fc1"); }), "--slopes fc1: 'fc1' is not of the form module=number");
  EXPECT_EQ(error_of([&] { slopes.set(own, "fc1=2"); }),
            "--slopes fc1=2: the number of 'fc1=2' is out of range: choose 0 to 1");
  EXPECT_FALSE(own.has_value());
}

TEST(MethodOption, OfAnotherMethodIsRefused) {
  OwnOptions own = 3;
  EXPECT_THAT(error_of([&] { width.set(own, "32"); }), HasSubstr("belong to another adaptation method"));
  EXPECT_THAT(error_of([&] { own_or_defaults<Toy>(own); }), HasSubstr("belong to another adaptation method"));
}

}  // namespace
}  // namespace loralens
