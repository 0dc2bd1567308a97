// SPDX-License-Identifier: Apache-2.0
#include "study.h"

#include <fmt/format.h>

#include <atomic>
#include <cmath>
#include <thread>

namespace loralens::validity {
namespace {

bool within_limits(Kind kind, const Tally& tally) {
  if (tally.of == 0 || kind == Kind::other) return true;
  if (kind == Kind::level) return tally.share() <= largest_level;
  return tally.share() >= least_coverage && tally.share() <= largest_coverage;
}

std::string text_of(Kind kind, const Tally& tally) {
  if (tally.of == 0) return "-";
  const std::string share = fmt::format("{:.3f}", tally.share());
  const std::string marked = within_limits(kind, tally) ? share : "**" + share + "**";
  const double printed = static_cast<double>(tally.of) / static_cast<double>(tally.of + tally.withheld);
  return printed < 0.995 ? fmt::format("{} ({:.0f} %)", marked, 100 * printed) : marked;
}

std::string cell_name(const Study& study, size_t row, size_t column) {
  return fmt::format("{}; {}", study.rows[row], study.columns[column]);
}

}  // namespace

Results simulated(const Study& study, int64_t simulations, uint64_t seed, int threads) {
  const size_t cells = study.rows.size() * study.columns.size();
  Results results{study, {}};
  results.tallies.assign(study.rows.size(),
                         std::vector(study.columns.size(), std::vector<Tally>(study.methods.size())));
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t cell = next++; cell < cells; cell = next++) {
      const size_t row = cell / study.columns.size(), column = cell % study.columns.size();
      for (int64_t i = 0; i < simulations; ++i) {
        Random random(hash_of(seed, hash_of(study.title), row, column, i));
        study.simulate(row, column, random, results.tallies[row][column]);
      }
    }
  };
  std::vector<std::jthread> workers;
  for (int t = 0; t < threads; ++t) workers.emplace_back(work);
  workers.clear();  // joins them
  return results;
}

std::string markdown(const Results& results) {
  const Study& study = results.study;
  std::string text = fmt::format("### {}\n{}\n", study.title, study.generator);
  for (size_t m = 0; m < study.methods.size(); ++m) {
    const Method& method = study.methods[m];
    text += fmt::format("\n{}{}:\n\n| |", method.name, method.used ? " (**used**)" : "");
    for (const auto& column : study.columns) text += fmt::format(" {} |", column);
    text += "\n|---|";
    for (size_t c = 0; c < study.columns.size(); ++c) text += "---|";
    for (size_t row = 0; row < study.rows.size(); ++row) {
      bool any = false;
      std::string line = fmt::format("\n| {} |", study.rows[row]);
      for (size_t c = 0; c < study.columns.size(); ++c) {
        any = any || results.tallies[row][c][m].of > 0;
        line += fmt::format(" {} |", text_of(method.kind, results.tallies[row][c][m]));
      }
      if (any) text += line;
    }
    text += "\n";
  }
  return text;
}

std::string outside_limits(const Results& results) {
  const Study& study = results.study;
  std::string text;
  for (size_t row = 0; row < study.rows.size(); ++row)
    for (size_t c = 0; c < study.columns.size(); ++c) {
      const auto& tallies = results.tallies[row][c];
      for (size_t m = 0; m < study.methods.size(); ++m) {
        const Method& method = study.methods[m];
        if (!method.used || within_limits(method.kind, tallies[m])) continue;
        std::string others;
        for (size_t o = 0; o < study.methods.size(); ++o)
          if (o != m && study.methods[o].kind == method.kind && tallies[o].of > 0 &&
              within_limits(method.kind, tallies[o]))
            others += fmt::format("{}{} {:.3f}", others.empty() ? "" : ", ", study.methods[o].name, tallies[o].share());
        text += fmt::format("- {}: {}: {} {:.3f}; within the limits: {}.\n", study.title, cell_name(study, row, c),
                            method.name, tallies[m].share(), others.empty() ? "no method" : others);
      }
    }
  return text;
}

std::vector<std::string> failures(const Results& results) {
  const Study& study = results.study;
  std::vector<std::string> found;
  for (size_t row = 0; row < study.rows.size(); ++row)
    for (size_t c = 0; c < study.columns.size(); ++c)
      for (size_t m = 0; m < study.methods.size(); ++m) {
        const Method& method = study.methods[m];
        const Tally& tally = results.tallies[row][c][m];
        if (!method.used || method.kind == Kind::other || tally.of == 0) continue;
        const double limit = method.kind == Kind::level ? largest_level : least_coverage;
        const double slack = 4 * std::sqrt(limit * (1 - limit) / static_cast<double>(tally.of));
        if (method.kind == Kind::level ? tally.share() > limit + slack : tally.share() < limit - slack)
          found.push_back(fmt::format("{}; {}: {} {:.3f} of {}", study.title, cell_name(study, row, c), method.name,
                                      tally.share(), tally.of));
      }
  return found;
}

}  // namespace loralens::validity
