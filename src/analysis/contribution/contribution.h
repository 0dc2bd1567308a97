// SPDX-License-Identifier: Apache-2.0
// What the two forms of the contribution analysis share: the measure at each position, sentences and figures. They
// differ in how they average over positions and clips.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "analysis/analysis.h"

namespace loralens {

class Contribution : public Analysis {
 public:
  explicit Contribution(const Setting& setting) : setting_(setting) {}

  bool wants(Part part, Role role) const override { return part == Part::test && role != Role::untrained; }
  bool wants(Part part, Role role, const Site& site) const override {
    return wants(part, role) && (site.kind == SiteKind::residual_in || site.kind == SiteKind::attention_out ||
                                 site.kind == SiteKind::mlp_out);
  }
  void see(const BatchView& view, const Site& site, const at::Tensor& value) override;
  Findings finish() override;

 protected:
  // Takes one clip's measure of this key: its sum over the clip's positions.
  virtual void add(int64_t fold, int64_t clip, const RowKey& key, double sum, int64_t positions) = 0;
  // Rows of the models "adapted", "frozen" and "adapted-frozen".
  virtual std::vector<Row> rows() const = 0;
  // One sentence on how values were averaged.
  virtual std::string averaging() const = 0;

  const Setting& setting_;

 private:
  at::Tensor stream_, attention_;  // of the current layer
};

// As published: the mean over all positions of all clips.
std::unique_ptr<Analysis> make_paper_contribution(const Setting& setting);

}  // namespace loralens
