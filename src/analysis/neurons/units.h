// SPDX-License-Identifier: Apache-2.0
// Units of the MLPs' hidden layers (after GELU), and their scaling in a pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "analysis/causal/class_means.h"
#include "base/random.h"
#include "whisper/sites.h"

namespace loralens {

// Units of one layer for each class: C lists of n numbers in [0, F).
using ClassUnits = std::vector<std::vector<int64_t>>;

// How many units of a hidden layer of F units are chosen for each class: one in a hundred, at least one.
int64_t chosen_units(int64_t hidden);

// C×F: the difference of the class's mean activation from the mean of the other classes' means, in these standard
// deviations (F); 0 for a unit whose deviation is 0. Error unless each class has a clip.
at::Tensor selectivity_of(const ClassMeans& means, const at::Tensor& deviation);

// The n units with the highest selectivity for each class.
ClassUnits most_selective(const at::Tensor& selectivity, int64_t n);

// n different units for each class, uniformly drawn from F.
ClassUnits random_units(int64_t classes, int64_t hidden, int64_t n, Random& random);

// Multiplies units of all layers by a factor: those of each row's class.
class UnitScaling : public Intervention {
 public:
  // units: of each layer; row_classes: the class of each row of the pass (ΣT), on the pass's device.
  UnitScaling(const std::vector<ClassUnits>& units, int64_t hidden, double factor, at::Tensor row_classes);
  bool wants(const Site& site) const override { return site.kind == SiteKind::mlp_hidden; }
  at::Tensor replace(const Pass& pass, const Site& site, const at::Tensor& value, int64_t segment) override;

 private:
  std::vector<at::Tensor> factors_;  // of each layer: C×F, float64
  at::Tensor row_classes_;
};

}  // namespace loralens
