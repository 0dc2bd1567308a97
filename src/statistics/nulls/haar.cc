// SPDX-License-Identifier: Apache-2.0
#include "statistics/nulls/haar.h"

#include <cmath>

#include "base/error.h"

namespace loralens {

std::vector<double> orthonormal_columns(std::vector<double> matrix, int64_t rows, int64_t columns) {
  if (columns < 1 || rows < columns || std::ssize(matrix) != rows * columns)
    fail("{} numbers are no {}×{} matrix with at least as many rows as columns", matrix.size(), rows, columns);
  const auto r_count = static_cast<size_t>(rows), c_count = static_cast<size_t>(columns);
  const auto at = [&](size_t r, size_t c) -> double& { return matrix[r * c_count + c]; };
  for (size_t c = 0; c < c_count; ++c) {
    double before = 0;
    for (size_t r = 0; r < r_count; ++r) before += at(r, c) * at(r, c);
    // Modified Gram-Schmidt, twice: orthogonal to rounding (Giraud, Langou, Rozložník, 2005).
    for (int pass = 0; pass < 2; ++pass)
      for (size_t earlier = 0; earlier < c; ++earlier) {
        double product = 0;
        for (size_t r = 0; r < r_count; ++r) product += at(r, earlier) * at(r, c);
        for (size_t r = 0; r < r_count; ++r) at(r, c) -= product * at(r, earlier);
      }
    double squares = 0;
    for (size_t r = 0; r < r_count; ++r) squares += at(r, c) * at(r, c);
    if (!(squares > 1e-20 * before)) fail("column {} of a matrix depends on the columns before it", c);
    for (size_t r = 0; r < r_count; ++r) at(r, c) /= std::sqrt(squares);
  }
  return matrix;
}

std::vector<double> haar_columns(int64_t rows, int64_t columns, Random& random) {
  std::vector<double> matrix(static_cast<size_t>(rows * columns));
  for (double& value : matrix) value = random.normal();
  return orthonormal_columns(std::move(matrix), rows, columns);
}

}  // namespace loralens
