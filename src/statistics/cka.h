// How alike two representations of the same n samples are, whatever their rotation and scale: centred kernel alignment,
// CKA (Kornblith et al., ICML 2019). All of it from n×n matrices, so that the number of features costs little.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <span>
#include <string>
#include <vector>

#include "statistics/bootstrap.h"

namespace loralens {

// Inner products X Xᵀ of x: (S×)n×p of any floating type. (S×)n×n in float64 on x's device; float64 copies are made of
// some columns at a time.
at::Tensor gram(const at::Tensor& x);

// exp(-gamma d²) - 1 of all pairs, from their Gram (n×n). Centring takes the constant away, and without it the kernel
// of vectors as close as gradients are (d² of 1e-9 and less) keeps its digits.
at::Tensor rbf_less_1(const at::Tensor& gram, double gamma);

// Biased CKA of two kernels (n×n, float64): ⟨HKH, HLH⟩ / (‖HKH‖ ‖HLH‖) with H = I - 1/n. In [0, 1] for positive
// kernels. Of few samples of many features it is near 1 whatever they are. NaN where a kernel is constant. Error for
// other shapes.
double biased_cka(const at::Tensor& k, const at::Tensor& l);

// Biased CKA of the kernels exp(-gamma d²) as the code published with arXiv 2509.08454 computes it: distances rounded
// to float32, the rest in float32, and 0 where a norm is 0. Rounding noise where gamma d² is below 1e-7.
double float32_rbf_cka(const at::Tensor& gram_x, double gamma_x, const at::Tensor& gram_y, double gamma_y);

// (S×)n×n symmetric, n >= 4: U-centred (Székely and Rizzo, 2014), float64, diagonal 0.
// HSIC₁(K, L) of Song et al. (JMLR 2012) is the sum of u_centred(K) * u_centred(L) over n (n - 3).
at::Tensor u_centred(const at::Tensor& grams);

// The unbiased estimate of HSIC from n >= 4 samples. k, l: n×n.
double hsic1(const at::Tensor& k, const at::Tensor& l);

// U-centred Grams of S sample sets, each with one sample of the same n clips, and the same without each group of clips.
struct CentredGrams {
  at::Tensor all;  // S×n×n
  std::map<std::string, at::Tensor> without;  // S×m×m; undefined if fewer than 4 clips are left
};
// grams: S×n×n, n >= 4. groups: the group (speaker) of each clip, or none.
CentredGrams centre(const at::Tensor& grams, std::span<const std::string> groups = {});

// Debiased CKA by minibatches (Nguyen, Raghu and Kornblith, ICLR 2021): the ratio of HSIC₁ averaged over the sample
// sets of all minibatches, each minibatch weighted by its clips. Near 0 for independent data; a single value may be
// negative.
class MinibatchCka {
 public:
  // The two representations of one minibatch: centred Grams of the same clips, sets and groups.
  void add(const CentredGrams& k, const CentredGrams& l);
  // NaN where a representation is constant, or before the first minibatch.
  double value() const { return all_.cka(); }
  // The same without each group.
  std::vector<double> without_groups() const;
  // 95 %, delete-one-group jackknife (jackknife.h); NaN for fewer than 2 groups, or if one group is almost all there
  // is.
  Interval interval() const;

 private:
  struct Sums {
    double kl = 0, kk = 0, ll = 0;
    Sums& operator+=(const Sums& other);
    double cka() const;
  };
  static Sums sums_of(const at::Tensor& k, const at::Tensor& l);

  Sums all_;
  std::map<std::string, Sums> changes_;  // what all_ changes by without the group
};

}  // namespace loralens
