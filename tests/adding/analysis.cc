// SPDX-License-Identifier: Apache-2.0
// A toy analysis: how many positions of a clip enter the first layer.
#include "analysis/analyses.h"
#include "analysis/curves.h"

namespace loralens {
namespace {

class Toy : public Analysis {
 public:
  explicit Toy(const Setting& setting) : curves_(setting) {}

  bool wants(Part part, Role role) const override { return part == Part::test && role == Role::adapted; }
  bool wants(Part part, Role role, const Site& site) const override {
    return wants(part, role) && site.kind == SiteKind::residual_in && site.layer == 0;
  }

  void see(const BatchView& view, const Site&, const at::Tensor& value) override {
    const auto clips = view.speech_of(value);
    for (size_t i = 0; i < clips.size(); ++i)
      curves_.add(view.fold.fold, view.clips[i], {.model = "adapted", .metric = "positions"},
                  static_cast<double>(clips[i].size(0)));
  }

  Findings finish() override { return {.measures = "Positions of a clip.", .rows = curves_.rows()}; }

 private:
  ClipCurves curves_;
};

}  // namespace

std::unique_ptr<Analysis> make_toy(const Setting& setting) { return std::make_unique<Toy>(setting); }

}  // namespace loralens
