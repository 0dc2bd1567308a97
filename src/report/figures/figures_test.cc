// SPDX-License-Identifier: Apache-2.0
#include "report/figures/figures.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "base/test_folder.h"
#include "report/figures/charts.h"

namespace loralens {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

Row row(const std::string& model, int64_t layer, double value, std::optional<int64_t> fold = {}) {
  Row r;
  r.key.model = model;
  r.key.layer = layer;
  r.key.metric = "accuracy";
  r.fold = fold;
  r.value = value;
  r.low = value - 0.125;
  r.high = value + 0.125;
  r.n = 24;
  return r;
}

Figure figure_of(Figure::Kind kind = Figure::Kind::curve) {
  Figure figure;
  figure.name = "f";
  figure.title = "t";
  figure.kind = kind;
  return figure;
}

const json& values_of(const json& spec) { return spec.at("data").at("values"); }

TEST(Figures, PooledRowsGoBeforeThoseOfFolds) {
  const Figure figure = figure_of();
  const std::vector<Row> folds = {row("adapted", 0, 0.25, 0), row("adapted", 0, 0.75, 1)};
  EXPECT_EQ(values_of(vega_lite(figure, folds)).size(), 2u);
  EXPECT_EQ(values_of(vega_lite(figure, folds))[1].at("fold"), 1);  // a column that differs separates curves
  std::vector<Row> both = folds;
  both.push_back(row("adapted", 0, 0.5));
  const json values = values_of(vega_lite(figure, both));
  ASSERT_EQ(values.size(), 1u);
  EXPECT_EQ(values[0],
            json({{"layer", 0}, {"model", "adapted"}, {"value", 0.5}, {"low", 0.375}, {"high", 0.625}, {"n", 24}}));
}

TEST(Figures, WhereChoosesRowsAndEmptyMeansEmpty) {
  std::vector<Row> rows = {row("adapted", 0, 1), row("frozen", 0, 2), row("untrained", 0, 3), row("adapted", 1, 4)};
  rows[3].key.variant = "balanced";
  Figure figure = figure_of();
  figure.where = {{"model", {"adapted", "frozen"}}, {"variant", {""}}};
  const json values = values_of(vega_lite(figure, rows));
  ASSERT_EQ(values.size(), 2u);
  EXPECT_EQ(values[0].at("value"), 2) << "the frozen model is drawn first";
  EXPECT_EQ(values[1].at("value"), 1);
  figure.where = {{"colour", {"red"}}};
  EXPECT_THAT(error_of([&] { vega_lite(figure, rows); }), HasSubstr("column 'colour'"));
}

TEST(Figures, ARowThatIsEmptyOnTheAxisIsLeftOut) {
  std::vector<Row> rows = {row("adapted", 0, 1), row("adapted", 0, 2)};
  rows[1].key.layer.reset();
  EXPECT_EQ(values_of(vega_lite(figure_of(), rows)).size(), 1u);
}

TEST(Figures, NumbersHaveSixDigitsAndWhatIsMissingIsNotThere) {
  Row r = row("adapted", -1, 1.0 / 3);
  r.low = r.high = NAN;
  r.n = 0;
  const json values = values_of(vega_lite(figure_of(), {r}));
  EXPECT_EQ(values.dump(), R"([{"layer":-1,"model":"adapted","value":0.333333}])");
}

TEST(Figures, ANullIsABandAndItsNumbersSeparateNoCurves) {
  std::vector<Row> rows = {row("adapted", 0, 0.5), row("adapted", 1, 0.75)};
  for (Row& r : rows) r.null_low = 0.125 * r.value, r.null_high = 0.25, r.p = 0.01 * r.value, r.p_adjusted = 0.04;
  const json spec = vega_lite(figure_of(), rows);
  EXPECT_EQ(values_of(spec)[0].at("null_low"), 0.0625);
  EXPECT_EQ(values_of(spec)[1].at("p_adjusted"), 0.04);
  EXPECT_FALSE(spec.at("encoding").contains("detail"));
  const auto has_band = [](const json& figure) {
    return std::ranges::any_of(figure.at("layer"), [](const json& layer) {
      return layer.at("encoding").at("y").at("field") == "null_low" &&
             layer.at("encoding").at("y2").at("field") == "null_high";
    });
  };
  EXPECT_TRUE(has_band(spec));
  EXPECT_THAT(spec.dump(), HasSubstr("p adjusted"));
  const json without = vega_lite(figure_of(), {row("adapted", 0, 0.5)});
  EXPECT_FALSE(has_band(without));
  EXPECT_THAT(without.dump(), Not(HasSubstr("p adjusted")));
  // A figure of a version without these columns beside one that has them.
  EXPECT_TRUE(has_band(combined_figure({{"old", without}, {"new", spec}})));
}

TEST(Figures, TheNullsOfTwoModelsAreTwoGreyBands) {
  std::vector<Row> rows = {row("adapted", 0, 0.5), row("adapted", 1, 0.75), row("frozen", 0, 0.5)};
  for (Row& r : rows) r.null_low = 0.125, r.null_high = 0.25;
  const json spec = vega_lite(figure_of(), rows);
  for (const json& layer : spec.at("layer")) {
    const json& encoding = layer.at("encoding");
    if (encoding.at("y").at("field") != "null_low") continue;
    EXPECT_EQ(encoding.at("color").at("value"), "#808080");
    EXPECT_THAT(encoding.at("detail").dump(), HasSubstr("\"field\":\"model\""));
    return;
  }
  FAIL() << "there is no band";
}

TEST(Figures, ModelsKeepTheirColoursWhoeverElseIsThere) {
  const auto colours = [](const std::vector<Row>& rows) {
    return vega_lite(figure_of(), rows).at("encoding").at("color").at("scale");
  };
  const json two = colours({row("frozen", 0, 1), row("adapted", 0, 1)});
  EXPECT_EQ(two.at("domain"), json({"adapted", "frozen"}));
  const json four =
      colours({row("adapted-frozen", 0, 1), row("untrained", 0, 1), row("frozen", 0, 1), row("adapted", 0, 1)});
  EXPECT_EQ(four.at("domain"), json({"adapted", "frozen", "untrained", "adapted-frozen"}));
  EXPECT_EQ(two.at("range")[1], four.at("range")[1]);
  EXPECT_NE(four.at("range")[0], four.at("range")[3]);
}

TEST(Figures, ALegendToggleStartsWithAllShown) {
  const json spec = vega_lite(figure_of(), {row("adapted", 0, 1), row("frozen", 0, 1)});
  const json toggle = spec.at("layer")[0].at("params")[0];
  EXPECT_EQ(toggle.at("bind"), "legend");
  EXPECT_EQ(toggle.at("value"), json({{{"model", "adapted"}}, {{"model", "frozen"}}}));
  for (const json& layer : spec.at("layer"))
    EXPECT_EQ(layer.at("transform")[0].at("filter").at("param"), toggle.at("name"));
  const json alone = vega_lite(figure_of(), {row("adapted", 0, 1)});
  EXPECT_TRUE(alone.at("encoding").at("color").at("legend").is_null());
  EXPECT_FALSE(alone.at("layer")[0].contains("params"));
}

TEST(Figures, PanelsOfMetricsHaveAnAxisEach) {
  std::vector<Row> rows = {row("adapted", 0, 1), row("adapted", 0, 100)};
  rows[1].key.metric = "entropy";
  Figure figure = figure_of();
  figure.facet = "metric";
  const json spec = vega_lite(figure, rows);
  EXPECT_EQ(spec.at("facet").at("field"), "metric");
  EXPECT_EQ(spec.at("resolve").at("scale").at("y"), "independent");
}

TEST(Figures, AHeatMapGrowsUpwardsAndPutsZeroInTheMiddle) {
  std::vector<Row> rows = {row("adapted", 0, -0.5), row("adapted", 1, 0.5)};
  rows[0].key.step = 10;
  rows[1].key.step = 20;
  Figure figure = figure_of(Figure::Kind::heat_map);
  figure.y = "step";
  const json spec = vega_lite(figure, rows);
  EXPECT_EQ(spec.at("encoding").at("y").at("sort"), json({20, 10}));
  EXPECT_EQ(spec.at("encoding").at("color").at("scale").at("domainMid"), 0);
  EXPECT_EQ(spec.at("encoding").at("color").at("legend").at("title"), "accuracy");
}

TEST(Figures, AScatterPlotLetsTheReaderChooseTheColour) {
  Figure figure = figure_of(Figure::Kind::scatter);
  figure.points = {{1.23456, 2, "layer 0", "anger", "03", "a.wav"}, {0, 1, "layer 5", "sadness", "08", "b.wav"}};
  const json spec = vega_lite(figure, {});
  EXPECT_EQ(spec.at("params")[0].at("bind").at("options"), json({"label", "speaker"}));
  EXPECT_EQ(spec.at("facet").at("field"), "panel");
  EXPECT_EQ(
      values_of(spec)[0],
      json({{"x", 1.235}, {"y", 2}, {"panel", "layer 0"}, {"label", "anger"}, {"speaker", "03"}, {"id", "a.wav"}}));
}

TEST(Figures, RunsAreColoursAndWhatWereColoursArePanels) {
  const Figure figure = figure_of();
  const json first = vega_lite(figure, {row("adapted", 0, 1), row("frozen", 0, 2)});
  const json second = vega_lite(figure, {row("adapted", 0, 3)});
  const json spec = combined_figure({{"a", first}, {"b", second}});
  ASSERT_EQ(values_of(spec).size(), 3u);
  EXPECT_EQ(values_of(spec)[1].at("run"), "b");
  EXPECT_EQ(values_of(spec)[1].at("panel"), "adapted");
  EXPECT_FALSE(values_of(spec)[2].contains("model"));
  EXPECT_EQ(spec.at("facet").at("sort"), json({"adapted", "frozen"}));
  EXPECT_EQ(spec.at("spec").at("encoding").at("color").at("field"), "run");
  Figure map = figure_of(Figure::Kind::heat_map);
  map.y = "metric";
  EXPECT_TRUE(combined_figure({{"a", vega_lite(map, {row("adapted", 0, 1)})}}).is_null());
  EXPECT_THAT(error_of([] { combined_figure({{"a", json::object()}}); }), HasSubstr("not one that"));
}

}  // namespace
}  // namespace loralens
