// SPDX-License-Identifier: Apache-2.0
// A simulation study of intervals and tests: cells of generated data, counted shares, Markdown tables.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/random.h"

namespace loralens::validity {

// Coverage of nominal 95 % intervals and type I error at 0.05 that are accepted (docs/validity.md).
constexpr double least_coverage = 0.93, largest_coverage = 0.985, largest_level = 0.06;

enum class Kind { coverage, level, other };

struct Method {
  std::string name;
  Kind kind = Kind::coverage;
  bool used = false;  // the program uses it
};

// Counts of the simulations of one cell and method: those with the event (truth covered, hypothesis rejected), all that
// gave a result, and those without a result.
struct Tally {
  int64_t hits = 0, of = 0, withheld = 0;

  void add(bool hit) {
    hits += hit;
    ++of;
  }
  double share() const { return static_cast<double>(hits) / static_cast<double>(of); }
};

struct Study {
  std::string title, generator;  // generator: a paragraph that describes how the data are simulated
  std::vector<Method> methods;
  std::vector<std::string> rows, columns;
  // Simulates once and counts each method's outcome. tallies: one per method.
  std::function<void(size_t row, size_t column, Random& random, std::vector<Tally>& tallies)> simulate;
};

struct Results {
  Study study;
  std::vector<std::vector<std::vector<Tally>>> tallies;  // [row][column][method]
};

// Simulates each cell this many times. The numbers depend on the seed, not on the number of threads.
Results simulated(const Study& study, int64_t simulations, uint64_t seed, int threads);

// A table per method, rows × columns; a share outside the limits is bold, "-" where the method gave no result.
std::string markdown(const Results& results);

// One line for each cell in which a method that the program uses is outside the limits, with the best other method.
std::string outside_limits(const Results& results);

// Cells in which a method that the program uses is below the least coverage or above the largest level by more than
// four standard errors of the simulation.
std::vector<std::string> failures(const Results& results);

}  // namespace loralens::validity
