// SPDX-License-Identifier: Apache-2.0
// R-precision of labelled neighbours: of a clip whose class has n clips, the share of the n - 1 nearest other clips
// that have its class (Musgrave, Belongie, Lim, A Metric Learning Reality Check, ECCV 2020). Unlike the purity of a
// fixed number of neighbours it reaches 1 for classes of any size.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace loralens {

struct RPrecision {
  double value = 0;  // mean over the scored clips, in [0, 1]
  double chance = 0;  // its exact expectation for labels that are independent of the distances
  int64_t scored = 0;  // clips whose class has another clip; the others have no neighbour to find
  std::vector<double> without;  // the value without each group; NaN if nothing is left to score
};

// distances: n×n, row-major; labels: n numbers. groups: n numbers 0..G-1, or empty. The largest possible value is 1:
// all n - 1 neighbours have the clip's class. At equal distances the clip with the lower number is nearer. Error for
// other sizes, a distance that is NaN, or no class with two clips.
RPrecision r_precision(std::span<const double> distances, std::span<const int64_t> labels,
                       std::span<const int64_t> groups = {});

// The largest value that the purity of k nearest neighbours can have: the mean of min(k, n - 1) / k, n the number of
// clips of a clip's class. Error for no labels or k < 1.
double purity_ceiling(std::span<const int64_t> labels, int64_t k);

}  // namespace loralens
