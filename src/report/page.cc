// SPDX-License-Identifier: Apache-2.0
#include "report/page.h"

#include "base/error.h"
#include "report/folder.h"
#include "report/html.h"
#include "report/sections/answer.h"
#include "report/sections/chapters.h"
#include "report/sections/claims.h"
#include "report/sections/differences.h"
#include "report/sections/scores.h"

namespace loralens {
namespace {

using nlohmann::json;

// "339 test clips of 10 speakers, 10 folds, 3 trainings of each fold; strict protocol"
std::string analysed_text(const json& about) {
  const auto count = [&](const char* key) { return about.value(key, json(0)).dump(); };
  std::string text = fmt::format("{} clips of {} speakers, {} fold{}", count("clips"), count("speakers"),
                                 count("folds"), count("folds") == "1" ? "" : "s");
  if (const json metrics = about.value("metrics", json::object()); metrics.contains("trainings"))
    if (const size_t trainings = metrics.at("trainings").size(); trainings > 1)
      text += fmt::format(", {} trainings of each fold", trainings);
  if (about.contains("protocol")) text += fmt::format("; {} protocol", about.at("protocol").get<std::string>());
  return text;
}

std::string head_html(const json& summary) {
  const json& about = summary.at("about");
  const bool analysed = !summary.at("analyses").empty();
  return fmt::format("<header>\n<p class=\"kind\">{}</p>\n<h1>{}</h1>\n<p class=\"analysed\">{}{}.</p>\n</header>\n",
                     analysed ? "Interpretability report" : "Results", escaped(run_title(about)),
                     analysed ? "Analysed: " : "", escaped(analysed_text(about)));
}

std::string facts_html(const json& about, const Path& folder) {
  std::string html = "<dl class=\"facts\">\n";
  for (const auto& [label, text] : facts_of(about, folder))
    html += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(label), escaped(text));
  return html + "</dl>\n";
}

// "lora" for a run .../lora and for its fold .../lora/fold-00: the differences shown are those of the whole run.
std::string run_name(const std::string& folder) {
  Path path(folder);
  if (path.filename().empty()) path = path.parent_path();
  if (path.filename().string().starts_with("fold-")) path = path.parent_path();
  return path.filename().string();
}

std::string clip_button(const json& clip, size_t number) {
  const bool right = clip.at("label") == clip.at("predicted");
  std::string name = Path(clip.at("id").get<std::string>()).filename().string();
  return fmt::format(
      "<li><button type=\"button\" data-clip=\"{}\" title=\"{}\"><span>{}</span> "
      "<small>{}{:.2f}</small></button></li>\n",
      number, escaped(clip.at("id").get<std::string>()), escaped(name),
      right ? "" : escaped(clip.at("predicted").get<std::string>()) + " ", clip.at("confidence").get<double>());
}

// Two lists of clips per class; page.js shows the chosen clip.
std::string explorer_html(json explorer) {
  std::string html =
      "<p>The most confident errors and successes of each class: the "
      "head's prediction after each layer, the clip's position among the others, and its audio. The audio is "
      "played from its file on the machine that made this page.</p>\n<div class=\"explorer\">\n<div "
      "class=\"chooser\">\n";
  for (const json& name : explorer.at("classes")) {
    std::string errors, successes;
    for (size_t i = 0; i < explorer.at("clips").size(); ++i) {
      const json& clip = explorer.at("clips")[i];
      if (clip.at("label") == name) (clip.at("predicted") == name ? successes : errors) += clip_button(clip, i);
    }
    html += fmt::format("<h3>{}</h3>\n", escaped(name.get<std::string>()));
    html += errors.empty() ? "<p class=\"none\">no errors</p>\n"
                           : "<p>errors, with the predicted class</p>\n<ul>\n" + errors + "</ul>\n";
    html +=
        successes.empty() ? "<p class=\"none\">no successes</p>\n" : "<p>successes</p>\n<ul>\n" + successes + "</ul>\n";
  }
  html += "</div>\n<div class=\"clip\" aria-live=\"polite\"></div>\n</div>\n";
  for (json& clip : explorer.at("clips")) clip["url"] = file_url(clip.at("path").get<std::string>());
  return html + json_script("id=\"explorer-data\"", explorer);
}

// The figure that shows the answer, if there is one.
std::string answer_figure_html(const Path& dir, const json& summary) {
  const std::string name = answer_figure(summary);
  return name.empty() ? "" : figure_html("answer-" + name, read_figure(dir, name));
}

// The scores of the run and their differences from the compared run. They are a section of their own on a page of
// scores alone.
std::string scores_chapter(const json& about, const std::string& run, const std::string& against, bool alone) {
  const json& metrics = about.at("metrics");
  std::string html;
  if (about.value("part_of_run", false))
    html += "<p>These are the scores of the whole run. The analyses look at a part of it.</p>\n";
  html += scores_html(metrics);
  if (about.contains("comparison"))
    html += "<h3>Differences</h3>\n" + differences_html({{run, against, about.at("comparison")}});
  if (alone) return "<section id=\"scores\">\n<h2>Scores</h2>\n" + html + "</section>\n";
  const std::string first = fmt::format("<p class=\"first\">UAR {}.</p>\n", score_text(metrics.at("uar")));
  return chapter_html("scores", "Scores", first, html);
}

std::string page_of(const Path& dir, const Path& folder, const json& summary, const std::vector<Claim>& claims) {
  const json &about = summary.at("about"), &analyses = summary.at("analyses");
  const std::string run = run_name(about.value("run", std::string())),
                    against = run_name(about.value("against", std::string()));
  std::vector<ContentsEntry> contents;
  std::string main = head_html(summary);
  const auto add = [&](const std::string& anchor, const std::string& title, const std::string& html) {
    contents.push_back({anchor, title});
    main += html;
  };
  if (const std::string answer = answer_html(summary, run, against); !answer.empty())
    add("answer", "Answer", answer + answer_figure_html(dir, summary));
  if (const std::string table = claims_html(claims); !table.empty())
    add("claims", "What the paper claims",
        "<section id=\"claims\">\n<h2>What the paper claims</h2>\n" + table + "</section>\n");
  if (about.contains("metrics")) add("scores", "Scores", scores_chapter(about, run, against, analyses.empty()));
  main += analyses_html(dir, analyses, folder, contents);
  if (const json& explorer = summary.at("explorer"); !explorer.at("clips").empty())
    add("clips", "Clips", chapter_html("clips", "Clips", "", explorer_html(explorer)));
  add("about", "About this page", chapter_html("about", "About this page", "", facts_html(about, folder)));
  return whole_page(run_title(about), contents, main);
}

}  // namespace

std::string report_page(const Path& dir, const Path& folder) {
  const json summary = read_summary(dir);
  return from_folder(dir, [&] { return page_of(dir, folder, summary, claims_of(dir, summary)); });
}

void write_page(const Path& dir) {
  const json summary = read_summary(dir);
  from_folder(dir, [&] {
    const std::vector<Claim> claims = claims_of(dir, summary);
    write_file(dir / "report.html", page_of(dir, dir, summary, claims));
    write_file(dir / "claims.csv", format_csv(claims_table(claims)));
  });
}

}  // namespace loralens
