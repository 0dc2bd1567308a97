// SPDX-License-Identifier: Apache-2.0
#include "report/page.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "base/test_folder.h"
#include "report/html.h"
#include "report/sections/scores.h"
#include "report/test_findings.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Html, TextCannotBecomeMarkup) {
  EXPECT_EQ(escaped("<b> & \"c\""), "&lt;b&gt; &amp; &quot;c&quot;");
  EXPECT_EQ(json_script("id=\"x\"", {{"a", "</script>"}}),
            "<script type=\"application/json\" id=\"x\">{\"a\":\"\\u003c/script>\"}</script>\n");
  EXPECT_EQ(file_url("/a b/ä#1.wav"), "file:///a%20b/%C3%A4%231.wav");
}

TEST(Html, NamesBecomeTitles) { EXPECT_EQ(title_of("logit-lens"), "Logit lens"); }

TEST(Scores, RecallIsTheDiagonalsShareOfItsRow) {
  const std::string html = scores_html(synthetic_about().at("metrics"));
  EXPECT_THAT(html, HasSubstr("<td>0.867</td></tr>"));  // 26 of 30
  EXPECT_THAT(html, HasSubstr("--share:0.867\">26</span>"));
  EXPECT_EQ(score_cell(synthetic_about().at("metrics"), "uar"), "0.861<br><small>0.821 to 0.891</small>");
}

TEST(Scores, OfAllClipsTogetherGoBeforeTheMeanOfFolds) {
  nlohmann::json metrics = synthetic_about().at("metrics");
  EXPECT_THAT(scores_html(metrics), HasSubstr("<td>0.861</td><td>0.031</td><td>0.821 to 0.891</td>")) << "older file";
  EXPECT_THAT(scores_html(metrics), HasSubstr("The interval is a bootstrap"));
  for (const char* score : {"uar", "war", "macro_f1"}) metrics[score]["pooled"] = 0.85;
  metrics["war"].update({{"low", nullptr}, {"high", nullptr}, {"reason", "too few <speakers>"}});
  const std::string html = scores_html(metrics);
  EXPECT_THAT(html, HasSubstr("<td>0.850</td><td>0.821 to 0.891</td><td>0.861 ± 0.031</td>"));
  EXPECT_THAT(html, HasSubstr("<td>none: too few &lt;speakers&gt;</td>"));
  EXPECT_THAT(html, HasSubstr("with one training it does not include the variation"));
  EXPECT_EQ(score_cell(metrics, "uar"), "0.850<br><small>0.821 to 0.891</small><br><small>folds 0.861 ± 0.031</small>");
}

TEST(Scores, OfNewerRunsHoldIntervalsCalibrationAndGroups) {
  nlohmann::json metrics = synthetic_about().at("metrics");
  EXPECT_THAT(scores_html(metrics), Not(HasSubstr("calibration error"))) << "an older file has none";
  for (const auto& name : synthetic_classes) metrics["recall_intervals"][name] = {{"low", 0.7}, {"high", 0.95}};
  metrics["recall_intervals"]["anger"] = {{"low", nullptr}, {"high", nullptr}};
  metrics["calibration"] = {{"ece", 0.0421},
                            {"bins",
                             {{{"predictions", 0}, {"confidence", nullptr}, {"accuracy", nullptr}},
                              {{"predictions", 9}, {"confidence", 0.91}, {"accuracy", 0.88}}}}};
  const nlohmann::json score = {{"value", 0.812}, {"low", 0.7}, {"high", 0.9}};
  metrics["groups"]["gender"] = {
      {{"value", "<female>"}, {"clips", 60}, {"speakers", 5}, {"uar", score}, {"war", score}}};
  const std::string html = scores_html(metrics);
  EXPECT_EQ(count_of(html, "<small>0.700 to 0.950</small>"), 3u);
  EXPECT_THAT(html, HasSubstr("calibration error: 0.042"));
  EXPECT_THAT(html, Not(HasSubstr("Brier")));
  metrics["calibration"].update({{"brier", 0.31},
                                 {"log_loss", 0.52},
                                 {"calibrated", {{"mean", 0.03}, {"high", 0.05}, {"p", 0.12}, {"draws", 999}}}});
  EXPECT_THAT(scores_html(metrics), HasSubstr("has 0.030 on average, and at most 0.050 in 95 % of 999 draws (p = 0.120)"
                                              ". Brier score 0.310 (0 to 2), log-loss 0.520 nats."));
  EXPECT_THAT(html, HasSubstr("data-figure=\"reliability\""));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">&lt;female&gt;</th><td>0.812 <small>0.700 to 0.900</small></td>"));
  EXPECT_THAT(html, HasSubstr("<td>60</td><td>5</td>"));
}

TEST(Scores, OfARunAloneMakeAPage) {
  TestFolder folder;
  nlohmann::json metrics = synthetic_about().at("metrics");
  metrics["recall"] = nlohmann::json::object();
  for (const auto& name : synthetic_classes) metrics["recall"][name] = 0.9;
  metrics.update({{"base", "openai/whisper-base"}, {"method", "lora"}});
  folder.write("old/metrics.json", metrics.dump());  // without the fields that newer runs add
  const std::string page = report_page(folder.path() / "old", folder.path());
  EXPECT_THAT(page, HasSubstr("<h1>openai/whisper-base, lora</h1>"));
  EXPECT_THAT(page, HasSubstr("0.861"));
  folder.write("new/metrics.json", metrics.dump());
  EXPECT_THAT(comparison_page({folder.path() / "old", folder.path() / "new"}, folder.path()), HasSubstr("0.861"));
  folder.write("bad/metrics.json", "{}");
  EXPECT_THAT(error_of([&] { report_page(folder.path() / "bad", folder.path()); }),
              HasSubstr("not the scores of a run"));
}

// If LORALENS_REPORT_FOLDER names a folder, the analyses are kept there for the test that opens their pages in a
// browser.
TEST(Page, HoldsAllThatWasFound) {
  TestFolder folder;
  const char* kept = std::getenv("LORALENS_REPORT_FOLDER");
  const Path place = kept ? Path(kept) : folder.path();
  for (const uint64_t seed : {1, 2}) {
    const Path dir = place / fmt::format("run-{}", seed);
    std::filesystem::create_directories(dir);
    write_synthetic_findings(dir, seed);
    write_page(dir);
  }
  const std::string page = read_file(place / "run-1/report.html");
  for (const char* text :
       {"<h3>Contribution</h3>", "<h3>Logit lens</h3>", "Synthetic: accuracy passes 0.8", "Distances between clusters",
        "openai/whisper-base", "<a href=\"tables/logit-lens.csv\">", "<a href=\"arrays/logit-lens.npz\">",
        "54 rows over all folds", "all 216 rows", "file:///nowhere/wav/"})
    EXPECT_THAT(page, HasSubstr(text)) << text;
  EXPECT_EQ(count_of(page, "class=\"plot\" data-figure="), 7u);  // one of the six also with the answer
  EXPECT_EQ(count_of(page, "data-clip=\""), 32u);  // four errors and four successes of each of four classes
  EXPECT_LT(page.size(), 3u << 20);
  for (const char* text : {"src=\"http", "href=\"http", "url(http", "@import"})
    EXPECT_THAT(page.substr(0, page.find("vegaEmbed")), Not(HasSubstr(text)));

  const std::string comparison = comparison_page({place / "run-1", place / "run-2"}, place);
  EXPECT_THAT(comparison, HasSubstr("<a href=\"run-1/report.html\">run-1</a>"));
  EXPECT_EQ(count_of(comparison, "class=\"plot\" data-figure="), 4u);  // the curves and the bars
}

TEST(Page, FoldsItsChaptersInTheReportsOrder) {
  TestFolder folder;
  Findings findings;
  findings.reading = {"First <sentence>.", "Second sentence."};
  write_findings(
      folder.path(), "strict", 42,
      {{"contribution", findings, "decision"}, {"ablation", findings, "causes"}, {"patching", findings, "causes"}}, {},
      {}, {{"run", (folder.path() / "run/lora").string()}});
  const std::string page = report_page(folder.path(), folder.path());
  const size_t causes = page.find("<details class=\"chapter\" id=\"chapter-causes\">"),
               decision = page.find("<details class=\"chapter\" id=\"chapter-decision\">"),
               about = page.find("<details class=\"chapter\" id=\"about\">");
  EXPECT_LT(causes, decision);
  EXPECT_LT(decision, about);
  EXPECT_NE(about, std::string::npos);
  EXPECT_EQ(count_of(page, "<details class=\"chapter\""), 3u);
  EXPECT_THAT(page,
              HasSubstr("<summary><h2>Causes</h2>\n<ul class=\"first\">\n<li>Ablation: First &lt;sentence&gt;.</li>\n"
                        "<li>Patching: First &lt;sentence&gt;.</li>"));
  EXPECT_THAT(page, HasSubstr("<dt>Run</dt><dd>run/lora</dd>"));
  EXPECT_THAT(page, HasSubstr("<li class=\"inner\"><a href=\"#ablation\">Ablation</a></li>"));
  std::string summary = read_file(folder.path() / "summary.json");
  for (const char* chapter : {"   \"chapter\": \"causes\",\n", "   \"chapter\": \"decision\",\n"})
    for (size_t at; (at = summary.find(chapter)) != std::string::npos;) summary.erase(at, std::string(chapter).size());
  folder.write("summary.json", summary);
  EXPECT_THAT(report_page(folder.path(), folder.path()), HasSubstr("<h2>Analyses</h2>")) << "of an older version";
}

TEST(Page, ShowsNullAndPOfARowAndOpensTablesWithoutThem) {
  TestFolder folder;
  Findings findings;
  findings.rows = {synthetic_row("adapted", 0, "A", "cka", 0.5, 0.1)};
  Row& row = findings.rows[0];
  row.estimand = "pooled";
  row.p_adjusted = 0.0312345;
  row.null_low = 0.123456;
  row.null_high = 0.3;
  write_findings(folder.path(), "strict", 42, {{"alignment", findings}}, {}, {}, {{"base", "b"}, {"method", "lora"}});
  const std::string page = report_page(folder.path(), folder.path());
  EXPECT_THAT(page, HasSubstr("<th scope=\"col\">null_high</th>"));
  EXPECT_THAT(page, HasSubstr("<td>pooled</td><td>0.03123</td><td>0.1235</td><td>0.3</td>"));
  folder.write("tables/alignment.csv",
               "analysis,protocol,model,variant,fold,seed,step,layer,module,component,metric,class,value,low,high,n\n"
               "alignment,strict,adapted,,,,,0,,A,cka,,0.54321,0.4,0.6,120\n");
  const std::string old = report_page(folder.path(), folder.path());
  EXPECT_THAT(old, HasSubstr("<td>0.5432</td>"));
  EXPECT_THAT(old, Not(HasSubstr("null_high")));
}

TEST(Page, SaysWhatIsWrongWithAFolder) {
  TestFolder folder;
  EXPECT_THAT(error_of([&] { write_page(folder.path()); }), HasSubstr("holds no summary.json"));
  folder.write("summary.json", "{");
  EXPECT_THAT(error_of([&] { write_page(folder.path()); }), HasSubstr("summary.json: no valid JSON"));
  folder.write("summary.json", "{\"about\": {}}");
  EXPECT_THAT(error_of([&] { write_page(folder.path()); }), HasSubstr("holds something else"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "report.html"));
}

TEST(Comparison, RunsAreCalledByWhatTellsThemApart) {
  EXPECT_THAT(distinct_names({"/x/a", "/x/b"}), ElementsAre("a", "b"));
  EXPECT_THAT(distinct_names({"/x/lora/analysis", "/x/dora/8/analysis"}), ElementsAre("lora", "dora/8"));
  EXPECT_THAT(distinct_names({"/x", "/x/y"}), ElementsAre("/x", "y"));
  EXPECT_EQ(error_of([] { distinct_names({"/x/a", "/x/b", "/x/./a"}); }), "the folder /x/a is given twice");
}

}  // namespace
}  // namespace loralens
