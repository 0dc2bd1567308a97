// SPDX-License-Identifier: Apache-2.0
#include "statistics/nulls/haar.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/matmul.h>

#include "base/error.h"
#include "statistics/normal_values.h"

namespace loralens {

using at::Tensor;

Tensor inverse_triangles(const Tensor& matrices, const Tensor& weights) {
  const int64_t rows = matrices.size(1), columns = matrices.size(2);
  if (columns < 1 || rows < columns)
    fail("{}×{} matrices have no orthonormal columns: they need at least as many rows as columns", rows, columns);
  const Tensor weighted = weights.defined() ? matrices * weights.unsqueeze(1) : matrices;
  const Tensor products = at::matmul(matrices.transpose(1, 2), weighted);
  const auto [upper, info] = at::linalg_cholesky_ex(products, /*upper=*/true);
  if (info.any().item<bool>()) fail("the columns of a random matrix depend on each other");
  return at::linalg_solve_triangular(upper, at::eye(columns, upper.options()), /*upper=*/true);
}

Tensor haar_columns(int64_t draws, int64_t rows, int64_t columns, Random& random) {
  const Tensor normal = normal_values({draws, rows, columns}, random);
  return at::matmul(normal, inverse_triangles(normal));
}

}  // namespace loralens
