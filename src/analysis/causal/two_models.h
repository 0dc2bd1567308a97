// SPDX-License-Identifier: Apache-2.0
// What analyses share that change passes of the adapted and of the frozen model: the passes that they need, and the
// heads that read the models.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/analysis.h"
#include "analysis/causal/reading_heads.h"

namespace loralens {

// Both models pass over the training clips, on which the refitted head is fitted, and over the test clips.
class TwoModelAnalysis : public Analysis {
 public:
  bool wants(Part part, Role role) const override {
    return (part == Part::test || part == Part::fit) && role != Role::untrained;
  }
  bool wants_residuals(Part part, Role role) const override { return wants(part, role); }

  void begin_fold(const FoldSubjects& fold) override { heads_.begin_fold(fold); }
  void end_batch(const BatchView& view) override {
    if (view.part == Part::fit) heads_.see(view);
  }
  void end_part(const FoldSubjects& fold, Part part) override {
    if (part != Part::fit) return;
    if (std::string note = heads_.fit(fold); !note.empty()) notes_.push_back(std::move(note));
  }

 protected:
  // name: of the analysis, as in ReadingHeads.
  TwoModelAnalysis(const Setting& setting, std::string_view name) : setting_(setting), heads_(setting, name) {}

  const Setting& setting_;
  ReadingHeads heads_;
  std::vector<std::string> notes_;
};

}  // namespace loralens
