// SPDX-License-Identifier: Apache-2.0
#include "statistics/cka.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/expm1.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>

#include "base/device.h"
#include "base/error.h"
#include "statistics/jackknife.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t block_columns = 1 << 16;
constexpr double none = std::numeric_limits<double>::quiet_NaN();

// Squared distances from a Gram matrix; clamped at 0, since rounding may make those of equal points negative.
Tensor distances_of(const Tensor& gram) {
  const Tensor squares = gram.diagonal();
  return (squares.unsqueeze(0) + squares.unsqueeze(1) - 2 * gram).clamp_min(0);
}

Tensor centred(const Tensor& k) { return k - k.mean(0, true) - k.mean(1, true) + k.mean(); }

double inner(const Tensor& k, const Tensor& l) { return (k * l).sum().item<double>(); }

void check_pair(const Tensor& k, const Tensor& l) {
  if (k.dim() != 2 || k.size(0) != k.size(1) || k.sizes() != l.sizes())
    fail("CKA needs two square kernels of the same samples, not {} by {} and {} by {}", k.size(0), k.size(-1),
         l.size(0), l.size(-1));
}

}  // namespace

Tensor gram(const Tensor& x) {
  std::vector<int64_t> shape(x.sizes().begin(), x.sizes().end());
  shape.back() = x.size(-2);
  Tensor sum = at::zeros(shape, x.options().dtype(c10::ScalarType::Double));
  for (int64_t begin = 0; begin < x.size(-1); begin += block_columns) {
    const Tensor block = x.narrow(-1, begin, std::min(block_columns, x.size(-1) - begin)).to(c10::ScalarType::Double);
    sum += at::matmul(block, block.transpose(-1, -2));
  }
  return sum;
}

Tensor rbf_less_1(const Tensor& gram, double gamma) { return at::expm1(distances_of(gram) * -gamma); }

double biased_cka(const Tensor& k, const Tensor& l) {
  check_pair(k, l);
  const Tensor kc = centred(k), lc = centred(l);
  const double norms = std::sqrt(inner(kc, kc)) * std::sqrt(inner(lc, lc));
  return norms > 0 ? inner(kc, lc) / norms : none;
}

double float32_rbf_cka(const Tensor& gram_x, double gamma_x, const Tensor& gram_y, double gamma_y) {
  check_pair(gram_x, gram_y);
  const auto kernel = [](const Tensor& gram, double gamma) {
    return centred(at::exp(distances_of(gram).to(c10::ScalarType::Float) * -gamma));
  };
  const Tensor kc = kernel(gram_x, gamma_x), lc = kernel(gram_y, gamma_y);
  const auto norm = [](const Tensor& k) { return std::sqrt(static_cast<float>(inner(k, k))); };
  if (norm(kc) == 0 || norm(lc) == 0) return 0;
  return static_cast<float>(inner(kc, lc)) / (norm(kc) * norm(lc));
}

Tensor u_centred(const Tensor& grams) {
  const int64_t n = grams.size(-1);
  if (n < 4 || grams.size(-2) != n)
    fail("HSIC without bias needs a square kernel of at least 4 samples, not {} by {}", grams.size(-2), n);
  Tensor x = grams.to(c10::ScalarType::Double).clone();
  x.diagonal(0, -2, -1).zero_();
  const auto count = static_cast<double>(n);
  const Tensor rows = x.sum(-1, true) / (count - 2);
  const Tensor total = rows.sum(-2, true) / (count - 1);
  x = x.sub_(rows).sub_(rows.transpose(-1, -2)).add_(total);
  x.diagonal(0, -2, -1).zero_();
  return x;
}

double hsic1(const Tensor& k, const Tensor& l) {
  check_pair(k, l);
  const auto n = static_cast<double>(k.size(0));
  return inner(u_centred(k), u_centred(l)) / (n * (n - 3));
}

CentredGrams centre(const Tensor& grams, std::span<const std::string> groups) {
  CentredGrams result{u_centred(grams), {}};
  for (const std::string& group : groups) {
    const auto [entry, fresh] = result.without.try_emplace(group);
    if (!fresh) continue;
    std::vector<int64_t> rest;
    for (size_t i = 0; i < groups.size(); ++i)
      if (groups[i] != group) rest.push_back(static_cast<int64_t>(i));
    if (rest.size() < 4) continue;
    const Tensor kept = on_device(rest, grams.device());
    entry->second = u_centred(grams.index_select(-1, kept).index_select(-2, kept));
  }
  return result;
}

MinibatchCka::Sums& MinibatchCka::Sums::operator+=(const Sums& other) {
  kl += other.kl;
  kk += other.kk;
  ll += other.ll;
  return *this;
}

double MinibatchCka::Sums::cka() const {
  const double norms = std::sqrt(kk) * std::sqrt(ll);
  return norms > 0 ? kl / norms : none;
}

// HSIC₁, averaged over the sample sets and multiplied by the number of clips.
MinibatchCka::Sums MinibatchCka::sums_of(const Tensor& k, const Tensor& l) {
  const double scale = 1 / (static_cast<double>(k.size(-1) - 3) * static_cast<double>(k.size(0)));
  return {scale * inner(k, l), scale * inner(k, k), scale * inner(l, l)};
}

void MinibatchCka::add(const CentredGrams& k, const CentredGrams& l) {
  if (k.all.sizes() != l.all.sizes() || k.without.size() != l.without.size())
    fail("CKA needs two representations of the same clips, not of {} and {}", k.all.size(-1), l.all.size(-1));
  const Sums whole = sums_of(k.all, l.all);
  all_ += whole;
  for (const auto& [group, rest] : k.without) {
    Sums& change = changes_[group];
    change += {-whole.kl, -whole.kk, -whole.ll};
    if (rest.defined()) change += sums_of(rest, l.without.at(group));
  }
}

std::vector<double> MinibatchCka::without_groups() const {
  std::vector<double> values;
  for (const auto& [group, change] : changes_) {
    Sums rest = all_;
    rest += change;
    values.push_back(rest.cka());
  }
  return values;
}

Interval MinibatchCka::interval() const {
  const auto values = without_groups();
  return clipped(jackknife_interval(value(), values), -1, 1);
}

}  // namespace loralens
