// SPDX-License-Identifier: Apache-2.0
#include "statistics/logistic.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/error.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr double absent_bias = -30;  // of a class without samples; the other logits sum to 0 at every x
constexpr int most_steps = 200, most_products = 500, most_halvings = 40;

double dot(const Tensor& a, const Tensor& b) { return (a * b).sum().item<double>(); }

// The penalised loss as a function of Θ, (D+1)×C: the weights, transposed, above the bias.
class Loss {
 public:
  Loss(const LogisticSamples& samples, double l2) {
    const int64_t n = samples.x.size(0), width = samples.x.size(1);
    const auto type = samples.x.options();
    x_ = at::cat({samples.x, at::ones({n, 1}, type)}, 1);
    truth_ = at::one_hot(samples.labels, samples.classes).to(samples.x.scalar_type());
    const Tensor weights = samples.weights.defined() ? samples.weights : at::ones({n}, type);
    share_ = (weights / weights.sum()).unsqueeze(1);
    present_ = truth_.sum(0) > 0;
    penalty_ = at::cat({at::full({width, 1}, l2, type), at::zeros({1, 1}, type)});
  }

  const Tensor& present() const { return present_; }  // C, bool

  // The value at Θ; keeps the class probabilities there for gradient() and product().
  double evaluate(const Tensor& theta) {
    const Tensor logits = at::matmul(x_, theta).masked_fill(~present_, -std::numeric_limits<double>::infinity());
    const Tensor log_p = at::log_softmax(logits, 1);
    p_ = log_p.exp();
    const Tensor entropies = log_p.masked_fill(truth_ == 0, 0).sum(1, true);
    return (dot(penalty_ * theta, theta) / 2) - dot(share_, entropies);
  }
  Tensor gradient(const Tensor& theta) const { return at::matmul(x_.t(), share_ * (p_ - truth_)) + penalty_ * theta; }
  // The Hessian times v, (D+1)×C.
  Tensor product(const Tensor& v) const {
    const Tensor moved = p_ * at::matmul(x_, v);
    return at::matmul(x_.t(), share_ * (moved - p_ * moved.sum(1, true))) + penalty_ * v;
  }

 private:
  Tensor x_, truth_, share_, present_, penalty_, p_;
};

// Solves Hessian · step = -gradient by conjugate gradients, until the residual's norm is a small fraction of the
// gradient's norm; the fraction shrinks with that norm.
Tensor newton_step(const Loss& loss, const Tensor& gradient) {
  Tensor step = at::zeros_like(gradient), residual = -gradient, direction = residual;
  double square = dot(residual, residual);
  const double norm = std::sqrt(square), goal = norm * std::min(0.1, std::sqrt(norm));
  for (int i = 0; i < most_products && std::sqrt(square) > goal; ++i) {
    const Tensor curved = loss.product(direction);
    const double size = square / dot(direction, curved);
    step = step + size * direction;
    residual = residual - size * curved;
    const double next = dot(residual, residual);
    direction = residual + (next / square) * direction;
    square = next;
  }
  return step;
}

// x with mean 0 and standard deviation 1 over the samples of a fit.
struct Standardised {
  Tensor mean, deviation;  // D; the deviation of a constant column is 1

  explicit Standardised(const Tensor& x) : mean(x.mean(0)), deviation(x.std(0, /*unbiased=*/false)) {
    deviation = at::where(deviation > 0, deviation, 1.0);
  }
  Tensor operator()(const Tensor& x) const { return (x - mean) / deviation; }
};

}  // namespace

LogisticFit fit_logistic(const LogisticSamples& samples, double l2, const LogisticFit* start, double tolerance) {
  if (!(l2 > 0)) fail("a logistic regression's penalty is {}: it must be above 0", l2);
  if (samples.x.size(0) == 0) fail("a logistic regression needs samples");
  const at::NoGradGuard no_grad;
  Loss loss(samples, l2);
  Tensor theta = start ? at::cat({start->weight.t(), start->bias.unsqueeze(0)})
                       : at::zeros({samples.x.size(1) + 1, samples.classes}, samples.x.options());
  theta = theta.masked_fill(~loss.present(), 0);
  double value = loss.evaluate(theta);
  for (int i = 0;; ++i) {
    const Tensor gradient = loss.gradient(theta);
    if (gradient.abs().max().item<double>() <= tolerance) break;
    const Tensor step = newton_step(loss, gradient);
    const double slope = dot(gradient, step);
    const double rounding = 1e-13 * std::max(1.0, std::abs(value));
    double size = 1;
    for (int h = 0; loss.evaluate(theta + size * step) > value + 1e-4 * size * slope + rounding; ++h) {
      if (h == most_halvings) fail("a logistic regression found no better weights: are its samples finite?");
      size /= 2;
    }
    theta = theta + size * step;
    value = loss.evaluate(theta);
    if (!std::isfinite(value) || i == most_steps)
      fail("a logistic regression with the penalty {} did not reach its minimum: are its samples finite?", l2);
  }
  const int64_t width = samples.x.size(1);
  return {theta.slice(0, 0, width).t().contiguous(), theta[width].masked_fill(~loss.present(), absent_bias)};
}

std::vector<Tensor> logits_by_penalty(const LogisticSamples& samples, const Tensor& scored, std::span<const double> l2,
                                      double tolerance) {
  const Standardised standardised(samples.x);
  LogisticSamples fitted = samples;
  fitted.x = standardised(samples.x);
  const Tensor x = standardised(scored);
  std::vector<Tensor> logits;
  std::optional<LogisticFit> fit;
  for (const double penalty : l2) {
    fit = fit_logistic(fitted, penalty, fit ? &*fit : nullptr, tolerance);
    logits.push_back(logistic_logits(*fit, x));
  }
  return logits;
}

LogisticFit fit_standardised_logistic(const LogisticSamples& samples, double l2) {
  const Standardised standardised(samples.x);
  LogisticSamples fitted = samples;
  fitted.x = standardised(samples.x);
  const LogisticFit fit = fit_logistic(fitted, l2);
  const Tensor weight = fit.weight / standardised.deviation;
  return {weight, fit.bias - (weight * standardised.mean).sum(1)};
}

Tensor logistic_logits(const LogisticFit& fit, const Tensor& x) { return at::linear(x, fit.weight, fit.bias); }

}  // namespace loralens
