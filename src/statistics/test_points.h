// SPDX-License-Identifier: Apache-2.0
// For tests: clustered points, generated from the same random numbers as in tests/oracle/tsne.py.
#pragma once

#include <ATen/ops/empty.h>

#include <vector>

#include "base/random.h"

namespace loralens {

struct TestPoints {
  at::Tensor x;                 // n×d
  std::vector<int64_t> labels;  // i % clusters
};

// Cluster centres are uniform in ±spread, points uniform within ±1 of their centre, independently in each feature.
inline TestPoints test_points(int64_t n, int64_t d, int64_t clusters, double spread, uint64_t seed) {
  Random random(seed);
  std::vector<double> centres;
  for (int64_t i = 0; i < clusters * d; ++i) centres.push_back(random.uniform(-spread, spread));
  TestPoints points{at::empty({n, d}, c10::ScalarType::Double), {}};
  double* x = points.x.mutable_data_ptr<double>();
  for (int64_t i = 0; i < n; ++i) {
    points.labels.push_back(i % clusters);
    for (int64_t j = 0; j < d; ++j) x[i * d + j] = centres[i % clusters * d + j] + random.uniform(-1, 1);
  }
  return points;
}

// Initial positions for t-SNE: uniform in ±1e-4, n×2.
inline at::Tensor test_start(int64_t n, uint64_t seed) {
  Random random(seed);
  at::Tensor start = at::empty({n, 2}, c10::ScalarType::Double);
  double* values = start.mutable_data_ptr<double>();
  for (int64_t i = 0; i < start.numel(); ++i) values[i] = random.uniform(-1e-4, 1e-4);
  return start;
}

}  // namespace loralens
