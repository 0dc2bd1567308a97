// SPDX-License-Identifier: Apache-2.0
// Evidence that training aligned A x with B A x, or their gradients: null distributions for random updates, and an
// alignment that does not depend on how ΔW is factored.
//
// Null distributions of the CKA in the balanced gauge: ΔW' = U' Σ V'ᵀ with the trained update's Σ and uniformly
// distributed (Haar) U' and V'. In a second null the columns of V' are drawn from N(0, C), with C the covariance of the
// module's input, to separate alignment with the data from alignment with B. Gauge-free alignment:
// statistics/nulls/strength.h.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "analysis/curves.h"
#include "analysis/minibatches.h"
#include "analysis/null_draws.h"
#include "statistics/nulls/strength.h"
#include "statistics/singular_spectrum.h"

namespace loralens {

inline constexpr int64_t update_draws = 999;

class UpdateAlignment {
 public:
  explicit UpdateAlignment(const Setting& setting);
  ~UpdateAlignment();

  // Whether this site is the input of an adapted module.
  bool wants(const Site& site) const;

  void begin_fold(const FoldSubjects& fold);
  // The input of an adapted module, and the loss's gradient at its output (site adapter_up): ΣT×d.
  void see(const BatchView& view, const Site& site, const at::Tensor& value);
  // The clip means of a minibatch are kept until the end of the fold.
  void use(const Minibatch& minibatch);
  // Adds the fold's rows without a null distribution. clips: the number in minibatches; without any, no row is added.
  void end_fold(int64_t fold, int64_t clips, FoldCurves& curves);
  // Adds the rows that need the random updates, of all folds.
  void finish(FoldCurves& curves);

  // Sets p values and null distributions of the rows.
  void annotate(std::vector<Row>& rows) const;
  std::vector<std::string> notes() const;

 private:
  using Of = std::pair<Role, Place>;
  struct Task;
  struct FoldTasks {
    int64_t fold = 0, clips = 0;
    std::vector<Task> tasks;
  };

  std::vector<at::Tensor> samples_of(const SampledSite& where) const;
  std::vector<Task> tasks(int64_t fold, FoldCurves& curves);
  void add_cka(const Of& of, const SingularDirections& update, std::vector<Task>& tasks);
  void add_strengths(int64_t fold, const Of& of, const SingularDirections& update, FoldCurves& curves,
                     std::vector<Task>& tasks);
  void draw();
  void add_rows(const FoldTasks& of, FoldCurves& curves);
  void add_mean_strengths(const FoldTasks& of, FoldCurves& curves);
  void add_mean_efficiencies(int64_t fold, FoldCurves& curves) const;

  const Setting& setting_;
  NullDraws cka_{NullDraws::Tail::high}, strength_{NullDraws::Tail::both};
  // State of the current fold:
  std::map<Of, SingularDirections> directions_;
  std::map<SampledSite, std::vector<at::Tensor>> samples_;  // n×d of each minibatch
  std::map<Site, ClipCovariance> covariances_;  // of the adapted model: inputs and gradients
  std::map<Site, CovarianceSpectrum> spectra_;
  std::map<Place, std::map<std::string, double>> efficiencies_;  // by component

  std::vector<FoldTasks> waiting_;  // for their random updates
  double held_ = 0, most_held_ = 0;  // megabytes of clip means

  std::set<int64_t> wide_;  // widths of sites whose covariance was left out
};

}  // namespace loralens
