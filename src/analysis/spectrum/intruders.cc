// SPDX-License-Identifier: Apache-2.0
#include "analysis/spectrum/intruders.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <fmt/format.h>

#include "analysis/null_draws.h"
#include "base/random.h"
#include "statistics/nulls/intruder_draws.h"

namespace loralens {
namespace {

constexpr int64_t most_directions = 128;  // of a ΔW with a null distribution

}  // namespace

void Intruders::add(int64_t fold, const RowKey& place, const SingularDirections& base, const SingularDirections& update,
                    const SingularDirections& whole, int64_t rank, SpectrumCurves& curves) {
  std::vector<double> counts;
  for (const double cosine : intruder_cosines) {
    RowKey key = place;
    key.variant = fmt::format("cosine-{}", cosine);
    key.metric = "intruders";
    counts.push_back(static_cast<double>(intruder_dimensions(base.left, whole.left, {.cosine = cosine})));
    curves.add(fold, key, counts.back(), 0);
  }
  if (rank == 0) return;
  if (rank > most_directions) {
    too_many_ = true;
    return;
  }
  Of& of = places_[place];
  of.counts[fold] = std::move(counts);
  of.weight_values = base.values;
  of.out = base.left.size(0);
  of.in = base.right.size(0);
  const at::Tensor values = update.values.narrow(0, 0, rank);
  if (!of.update_values.defined()) {
    of.update_values = values;
    return;
  }
  const int64_t most = std::max(rank, of.update_values.size(0));
  of.update_values = at::constant_pad_nd(of.update_values, {0, most - of.update_values.size(0)}) +
                     at::constant_pad_nd(values, {0, most - rank});
}

void Intruders::annotate(std::vector<Row>& rows) const {
  struct Mean {
    double value = 0, places = 0;
    std::vector<double> draws;
  };
  NullDraws null(NullDraws::Tail::high);
  std::map<std::pair<int64_t, RowKey>, Mean> means;  // over layers, by fold
  for (const auto& [place, of] : places_) {
    Random random(hash_of(setting_.seed, hash_of("intruders"), place.layer.value_or(0), hash_of(place.module)));
    const at::Tensor values = of.update_values / static_cast<double>(of.counts.size());
    const auto draws =
        intruder_draws({of.weight_values, of.out, of.in, values}, intruder_cosines, intruder_draw_count, random);
    for (const auto& [fold, counts] : of.counts)
      for (size_t c = 0; c < counts.size(); ++c) {
        RowKey key = place;
        key.variant = fmt::format("cosine-{}", intruder_cosines[c]);
        key.metric = "intruders";
        null.add(fold, key, counts[c], draws[c]);
        key.layer = {};
        Mean& mean = means[{fold, key}];
        mean.draws.resize(draws[c].size());
        mean.value += counts[c];
        ++mean.places;
        for (size_t b = 0; b < draws[c].size(); ++b) mean.draws[b] += draws[c][b];
      }
  }
  for (auto& [of, mean] : means) {
    for (double& draw : mean.draws) draw /= mean.places;
    null.add(of.first, of.second, mean.value / mean.places, std::move(mean.draws));
  }
  null.annotate(rows);
}

std::vector<std::string> Intruders::notes() const {
  std::vector<std::string> notes;
  if (!places_.empty())
    notes.push_back(
        fmt::format("p, null_low and null_high of intruders: {} random updates with the singular values of the trained "
                    "one, averaged over folds; p_adjusted: over the places of one threshold, by the maximum.",
                    intruder_draw_count));
  if (too_many_)
    notes.push_back(
        fmt::format("Intruders of a ΔW with more than {} singular values have no null distribution.", most_directions));
  return notes;
}

}  // namespace loralens
