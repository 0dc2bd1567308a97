// SPDX-License-Identifier: Apache-2.0
// Singular values of tall matrices X (n×d) from their Gram matrix XᵀX, which is accumulated row by row, and measures of
// spectra and singular vectors: components for 90 % of the energy, effective rank (Roy and Vetterli, 2007), stable
// rank, participation ratio, overlap of subspaces, intruder dimensions (Shuttleworth et al., 2024).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace loralens {

// Accumulates XᵀX and the sum of the rows, in float64 on the device of the rows. Memory: d×d, independent of n.
class Gram {
 public:
  // rows: n×d, any floating type. Products are computed in float64: in float32 singular values below 3e-4 of the first,
  // and so effective ranks, would be inaccurate. Error if d differs from that of earlier rows.
  void add(const at::Tensor& rows);

  int64_t rows() const { return rows_; }
  // XᵀX, and XᵀX after subtracting the mean row from X: d×d, float64, on the CPU. Error before the first row.
  at::Tensor uncentred() const;
  at::Tensor centred() const;

 private:
  at::Tensor products_, sum_;  // d×d, d
  int64_t rows_ = 0;
};

// Singular values of X from its Gram matrix (d×d): d values, descending, float64. Eigenvalues that are negative from
// rounding count as 0; singular values below 1e-8 of the first are rounding noise.
at::Tensor singular_values(const at::Tensor& gram);

// The Gram matrix of X Mᵀ for a linear map M (m×d): M G Mᵀ, m×m.
at::Tensor gram_of_image(const at::Tensor& gram, const at::Tensor& map);

// The min(d, m) singular values of X Mᵀ that can be nonzero, descending, from an eigenvalue problem of that size.
at::Tensor singular_values_of_image(const at::Tensor& gram, const at::Tensor& map);

// Measures of singular values σ, given in any order. All are NaN if every σ is 0.
struct SpectrumMeasures {
  double sv90 = 0;  // smallest number of components that hold 90 % of Σσ²
  double effective_rank = 0;  // exp of the entropy of σ/Σσ; 1 to d
  double stable_rank = 0;  // Σσ²/σ₁²; 1 to d
  double participation_ratio = 0;  // (Σσ²)²/Σσ⁴; 1 to d
};
SpectrumMeasures measures_of(const at::Tensor& singular_values);

// Singular value decomposition M = U diag(σ) Vᵀ in float64 on the CPU. left: m×k, values: k (descending), right: n×k, k
// = min(m, n).
struct SingularDirections {
  at::Tensor left, values, right;
};
SingularDirections singular_directions(const at::Tensor& matrix);

// Singular directions of B A with a singular value above 1e-12 of the first, from factors a: R×in and b: out×R. All are
// empty (k = 0) if B A is 0.
SingularDirections update_directions(const at::Tensor& a, const at::Tensor& b);

// Mean squared cosine of the principal angles between the spans of orthonormal columns u (d×i) and v (d×j):
// ‖uᵀv‖²/min(i, j), 0 to 1 (Hu et al., 2021, section 7.2). The mean for two random subspaces is
// chance_overlap(i, j, d).
double subspace_overlap(const at::Tensor& u, const at::Tensor& v);
double chance_overlap(int64_t i, int64_t j, int64_t d);

struct IntruderOptions {
  int64_t directions = 10;  // k: number of leading directions of the adapted weight to examine, or all if fewer
  double cosine = 0.5;  // |cosine| below which a direction is an intruder, in (0, 1)
};

// How many of the k leading left singular vectors of an adapted weight (columns of `adapted`, m×any, leading first)
// have no left singular vector of the base weight (columns of `base`) within this |cosine|.
int64_t intruder_dimensions(const at::Tensor& base, const at::Tensor& adapted, const IntruderOptions& options = {});

// Balanced factors of B A: with B A = U Σ Vᵀ, A' = √Σ Vᵀ and B' = U √Σ. A and B are not identifiable from B A, but A'
// and B' are, up to signs and to rotations within equal singular values, which leave spectra unchanged. float64, CPU.
struct BalancedGauge {
  at::Tensor change;  // k×R: A' = change · A, k = min(R, in, out)
  at::Tensor b;  // out×k: B'
};
// a: R×in, b: out×R.
BalancedGauge balanced_gauge(const at::Tensor& a, const at::Tensor& b);

}  // namespace loralens
