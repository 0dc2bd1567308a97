// SPDX-License-Identifier: Apache-2.0
// Centred kernel alignment (CKA): the similarity of two representations of the same n samples, invariant to rotation
// and scale (Kornblith et al., ICML 2019). Computed from n×n matrices, so that the number of features costs little.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <span>
#include <string>
#include <vector>

#include "statistics/bootstrap.h"

namespace loralens {

// Gram matrix X Xᵀ. x: (S×)n×p, any floating type. Returns (S×)n×n in float64 on x's device. Only 65,536 columns at a
// time are copied to float64.
at::Tensor gram(const at::Tensor& x);

// RBF kernel minus 1, exp(-gamma d²) - 1, of all pairs, from their Gram matrix (n×n). Centring removes the constant
// anyway, and without it the kernel keeps its precision for very close vectors such as gradients (d² of 1e-9 and less).
at::Tensor rbf_less_1(const at::Tensor& gram, double gamma);

// Biased CKA of two kernels (n×n, float64): ⟨HKH, HLH⟩ / (‖HKH‖ ‖HLH‖) with H = I - 1/n. In [0, 1] for positive
// semidefinite kernels. Biased towards 1 for few samples with many features. NaN if a kernel is constant. Error for
// other shapes.
double biased_cka(const at::Tensor& k, const at::Tensor& l);

// Biased CKA of the kernels exp(-gamma d²) as the code published with arXiv 2509.08454 computes it: distances rounded
// to float32, kernels in float32, and 0 if a norm is 0. The result is rounding noise where gamma d² is below 1e-7.
double float32_rbf_cka(const at::Tensor& gram_x, double gamma_x, const at::Tensor& gram_y, double gamma_y);

// U-centred matrices (Székely and Rizzo, 2014), float64, diagonal 0. grams: (S×)n×n, symmetric, n >= 4.
// HSIC₁(K, L) of Song et al. (JMLR 2012) is the sum of u_centred(K) * u_centred(L) over n (n - 3).
at::Tensor u_centred(const at::Tensor& grams);

// The unbiased estimate of HSIC from n >= 4 samples. k, l: kernels, n×n.
double hsic1(const at::Tensor& k, const at::Tensor& l);

// U-centred Gram matrices of S sample sets, each with one sample of each of n clips, and the same without each group.
struct CentredGrams {
  at::Tensor all;  // S×n×n
  std::map<std::string, at::Tensor> without;  // S×m×m; undefined if fewer than 4 clips are left
};
// grams: S×n×n, n >= 4. groups: the group (speaker) of each clip, or empty.
CentredGrams centre(const at::Tensor& grams, std::span<const std::string> groups = {});

// Debiased CKA by minibatches (Nguyen, Raghu and Kornblith, ICLR 2021): the ratio of HSIC₁ averaged over the sample
// sets of all minibatches, each minibatch weighted by its clips. Near 0 for independent data; a single value may be
// negative.
class MinibatchCka {
 public:
  // Adds the two representations of one minibatch: centred Gram matrices of the same clips, sets and groups.
  void add(const CentredGrams& k, const CentredGrams& l);
  // NaN if a representation is constant, or before the first minibatch.
  double value() const { return all_.cka(); }
  // The value without each group, in the order of the group names.
  std::vector<double> without_groups() const;
  // 95 % interval by the delete-one-group jackknife (jackknife.h), inside [-1, 1]. NaN for fewer than fewest_groups, or
  // if a value without a group is NaN because too few clips are left.
  Interval interval() const;

 private:
  struct Sums {
    double kl = 0, kk = 0, ll = 0;
    Sums& operator+=(const Sums& other);
    double cka() const;
  };
  static Sums sums_of(const at::Tensor& k, const at::Tensor& l);

  Sums all_;
  std::map<std::string, Sums> changes_;  // change of all_ when the group is left out
};

}  // namespace loralens
