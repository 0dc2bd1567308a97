// SPDX-License-Identifier: Apache-2.0
// Null distributions of adapters that were never trained.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "statistics/metrics.h"
#include "statistics/normal_values.h"
#include "statistics/nulls/cka_draws.h"
#include "statistics/nulls/haar.h"
#include "statistics/nulls/strength.h"
#include "statistics/significance/random_draws.h"
#include "studies.h"

namespace loralens::validity {
namespace {

using at::Tensor;

constexpr int64_t places = 4, width = 24, rank = 4, clips = 16, draws = 199;
constexpr double level = 0.05;

struct Spectrum {
  const char* name;
  double values[rank];
};
const Spectrum spectra[] = {{"equal singular values", {1, 1, 1, 1}},
                            {"exp(-i/2)", {1, std::exp(-0.5), std::exp(-1), std::exp(-1.5)}},
                            {"exp(-i/4)", {1, std::exp(-0.25), std::exp(-0.5), std::exp(-0.75)}},
                            {"one dominant singular value", {1, 0.05, 0.05, 0.05}}};
constexpr std::pair<const char*, double> inputs[] = {{"round input", 0}, {"steep input", 0.5}};

// Draws of several places (of a family), with the values.
struct Family {
  std::vector<double> values;
  std::vector<std::vector<double>> of_place;

  void add(double value, std::vector<double> drawn, Random& random) {
    random.shuffle(drawn);  // places share their random directions, each in another order
    values.push_back(value);
    of_place.push_back(std::move(drawn));
  }
  void take_both_tails() {
    for (size_t j = 0; j < values.size(); ++j) {
      const double mean = summarise(of_place[j], 1).mean;
      values[j] = std::abs(values[j] - mean);
      for (double& draw : of_place[j]) draw = std::abs(draw - mean);
    }
  }
  bool any_place() const {
    std::vector<double> rows;
    for (size_t b = 0; b < static_cast<size_t>(draws); ++b)
      for (const auto& of : of_place) rows.push_back(of[b]);
    return std::ranges::min(max_t_p(values, rows)) <= level;
  }
  bool above(size_t place) const {
    return rank_p(values[place] - 1e-12 * std::abs(values[place]), of_place[place]) <= level;
  }
};

Tensor scaled_rows(int64_t rows, double steepness, Random& random) {
  Tensor x = normal_values({rows, width}, random);
  for (int64_t j = 0; j < width; ++j) x.select(1, j).mul_(std::exp(-steepness * static_cast<double>(j)));
  return x;
}

// rows: one n×d tensor; directions: S×d×k. Returns S×n×k.
std::vector<Tensor> times(const std::vector<Tensor>& rows, const Tensor& directions) {
  return {at::matmul(rows[0], directions)};
}

// One adapter: `places` updates with uniformly distributed U and V, and new inputs and gradients.
void simulate_adapter(const Tensor& sigma, double steepness, Random& random, std::vector<Tally>& tallies) {
  const at::NoGradGuard no_grad;
  const Tensor columns = haar_columns(draws, width, rank, random);
  const Tensor turns = haar_columns(draws, rank, rank, random), no_turn = at::eye(rank, sigma.options()).unsqueeze(0);
  Family cka, strength;
  for (int64_t place = 0; place < places; ++place) {
    const Tensor update = haar_columns(2, width, rank, random);
    const std::vector<Tensor> x = {scaled_rows(clips, steepness, random)}, g = {scaled_rows(clips, steepness, random)};
    const Tensor v = update.narrow(0, 0, 1), u = update.narrow(0, 1, 1);
    cka.add(forward_cka_draws(times(x, v), sigma)[0], forward_cka_draws(times(x, columns), sigma), random);
    tallies[0].add(cka.above(cka.values.size() - 1));
    cka.add(gradient_cka_draws(g, times(g, u), sigma)[0], gradient_cka_draws(g, times(g, columns), sigma), random);
    tallies[1].add(cka.above(cka.values.size() - 1));
    // B with random right singular vectors, which are the identity in the balanced gauge.
    const std::vector<Tensor> down = {at::matmul(x[0], v[0]) * sigma.sqrt()};
    tallies[2].add(rank_p(gradient_cka_draws(down, times(down, no_turn), sigma)[0],
                          gradient_cka_draws(down, times(down, turns), sigma)) <= level);
    ClipCovariance covariance;
    covariance.add({x[0], g[0]});
    const CovarianceSpectrum spectrum(covariance.covariance());
    strength.add(strength_of(spectrum, v[0], sigma).strength,
                 strength_draws(spectrum.eigenvalues, columns.square(), sigma), random);
  }
  tallies[3].add(cka.any_place());
  strength.take_both_tails();
  for (size_t place = 0; place < strength.values.size(); ++place) tallies[4].add(strength.above(place));
  tallies[5].add(strength.any_place());
}

}  // namespace

Study update_null_study() {
  Study study{
      .title = "Alignment of adapters that were never trained",
      .generator = fmt::format(
          "Adapters of {} places (inputs and outputs of {} dimensions, rank {}, {} clips) with uniformly "
          "distributed U and V; inputs and gradients have equal variances (round) or variances exp(-j) (steep). "
          "Share of the places, or of the adapters, that are called different from the null, at 0.05, with {} "
          "draws.",
          places, width, rank, clips, draws),
      .methods = {
          {"CKA of A x with B A x above random updates, places", Kind::level, true},
          {"CKA of the gradients above random updates, places", Kind::level, true},
          {"CKA of A x with B A x above a B with random right singular vectors, places", Kind::level},
          {"CKA above random updates in any place, adjusted (max-T), adapters", Kind::level, true},
          {"strength of the alignment unlike that of random updates, places", Kind::level, true},
          {"strength unlike that of random updates in any place, adjusted (max-T), adapters", Kind::level, true}}};
  for (const Spectrum& spectrum : spectra) study.rows.emplace_back(spectrum.name);
  for (const auto& [name, steepness] : inputs) study.columns.emplace_back(name);
  study.simulate = [](size_t row, size_t column, Random& random, std::vector<Tally>& tallies) {
    const std::vector<double> values(std::begin(spectra[row].values), std::end(spectra[row].values));
    simulate_adapter(at::tensor(values, c10::ScalarType::Double), inputs[column].second, random, tallies);
  };
  return study;
}

}  // namespace loralens::validity
