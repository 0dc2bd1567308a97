// SPDX-License-Identifier: Apache-2.0
// loralens report: makes the HTML page of an analysis, a run or an evaluation, or one page that compares several.
#include "base/error.h"
#include "base/formats/json.h"
#include "base/output.h"
#include "cli/commands.h"
#include "cli/own_files.h"
#include "report/folder.h"
#include "report/page.h"

namespace loralens {
namespace {

struct ReportArguments {
  std::vector<std::string> dirs;
  std::string out;
  bool force = false;
};

void report(const ReportArguments& a) try {
  Path out = a.out;
  if (out.empty()) {
    if (a.dirs.size() > 1)
      throw UsageError("a page that compares several folders needs an output file, such as -o comparison.html");
    out = Path(a.dirs.front()) / "report.html";  // replaces the folder's own page
  } else if (std::filesystem::is_directory(out)) {
    fail("{} is a folder: -o names the page's file, such as {}", out.string(), (out / "report.html").string());
  }
  if (a.out.empty()) read_summary(a.dirs.front());  // error if there is no such folder
  try {
    check_output_file(out, a.force || a.out.empty(), complaint_about_page);
  } catch (const Error& error) {
    if (!a.out.empty()) throw;
    fail("{}: name another file for the page with -o", error.what());
  }
  const std::vector<Path> dirs(a.dirs.begin(), a.dirs.end());
  if (dirs.size() > 1)
    write_comparison(dirs, out);
  else
    write_file(out, report_page(dirs.front(), out.has_parent_path() ? out.parent_path() : Path(".")));
  fmt::print("{}\n", out.string());
} catch (const nlohmann::json::exception&) {
  fail("{}: a value of summary.json, metrics.json or a figure has another type than loralens writes: analyse again",
       fmt::join(a.dirs, ", "));
}

}  // namespace

void add_report(CLI::App& app) {
  auto a = std::make_shared<ReportArguments>();
  auto* command = app.add_subcommand(
      "report",
      "Makes the page of an analysis from its folder, or the page of a run's or evaluation's scores, or one page\n"
      "that compares several of these: scores, significance tests of their differences if the clips are the same,\n"
      "and UAR by training and test corpus if there are several.\n"
      "A page is one file that works offline; its figures can be saved as SVG or PNG from their menus.\n"
      "Prints the page's path.\n\n"
      "Examples:\n"
      "  loralens report analysis\n"
      "  loralens report lora frozen dora -o comparison.html\n"
      "  loralens report emo-db ravdess emo-db-on-ravdess ravdess-on-emo-db -o across.html");
  command->add_option("dir", a->dirs, "folders that `loralens analyze`, `train` or `evaluate -o` wrote")->required();
  command->add_option("-o,--output", a->out, "HTML file to write; default for one folder: DIR/report.html");
  command->add_flag("--force", a->force, "replace the file if it is a page of loralens");
  command->callback([a] { report(*a); });
}

}  // namespace loralens
