// SPDX-License-Identifier: Apache-2.0
// Simulates how often intervals cover and tests reject (docs/validity.md), and writes the tables of that document.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "studies.h"

namespace loralens::validity {
namespace {

constexpr const char* begin_mark = "<!-- tables: begin -->\n";
constexpr const char* end_mark = "<!-- tables: end -->\n";

// Replaces the text between the marks of a Markdown file.
void write_tables(const std::string& file, const std::string& tables) {
  std::ifstream in(file);
  std::stringstream buffer;
  buffer << in.rdbuf();
  std::string text = buffer.str();
  const size_t begin = text.find(begin_mark), end = text.find(end_mark);
  if (begin == std::string::npos || end == std::string::npos || end < begin)
    fail("{} has no place for the tables: add the lines {}{}", file, begin_mark, end_mark);
  text.replace(begin + std::string_view(begin_mark).size(), end - begin - std::string_view(begin_mark).size(), tables);
  std::ofstream(file) << text;
}

int simulate(int64_t simulations, uint64_t seed, int threads, const std::string& file, bool check) {
  std::string tables = fmt::format("Simulations of each cell: {}; seed {}.\n", simulations, seed), outside;
  std::vector<std::string> failed;
  for (const Study& study : {pooled_score_study(), paired_null_study(), paired_difference_study(), small_change_study(),
                             weight_function_study(), update_null_study()}) {
    const auto start = std::chrono::steady_clock::now();
    const Results results = simulated(study, simulations, seed, threads);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    fmt::print(stderr, "{}: {:.1f} s\n", study.title, seconds.count());
    tables += "\n" + markdown(results);
    outside += outside_limits(results);
    for (const auto& failure : failures(results)) failed.push_back(failure);
  }
  tables +=
      "\n### Cells outside the limits\n" + (outside.empty() ? "None for a method that the program uses.\n" : outside);
  if (!file.empty())
    write_tables(file, tables);
  else if (!check)
    fmt::print("{}", tables);
  if (!check) return 0;
  for (const auto& failure : failed) fmt::print("{}\n", failure);
  return failed.empty() ? 0 : 1;
}

}  // namespace
}  // namespace loralens::validity

int main(int argc, char** argv) {
  CLI::App app{"Simulates coverage of intervals and level of tests; prints the tables of docs/validity.md."};
  int64_t simulations = 4000;
  uint64_t seed = 1;
  int threads = 2;
  std::string file;
  bool check = false;
  app.add_option("--simulations", simulations, "of each cell")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--seed", seed, "random seed")->capture_default_str();
  app.add_option("--threads", threads, "threads; no number depends on them")->check(CLI::Range(1, 64));
  app.add_option("--write", file, "the Markdown file whose tables are replaced; without it they are printed");
  app.add_flag("--check", check, "print only the cells clearly outside the limits; exit status 1 if there are any");
  CLI11_PARSE(app, argc, argv);
  at::set_num_threads(1);  // the simulations have threads of their own
  try {
    return loralens::validity::simulate(simulations, seed, threads, file, check);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
