// SPDX-License-Identifier: Apache-2.0
// The heads that read both the adapted and the frozen model in causal analyses, so that only their states differ: the
// adapted model's head (suffix ""); the frozen model's, if it has another one (`-head-frozen`); and a regression that
// is fitted to the last layers of both models on training clips, so that it favours neither (`-head-refitted`).
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/analysis.h"

namespace loralens {

class ReadingHeads {
 public:
  // analysis: part of the random seed by which the clips are drawn that choose the penalty.
  ReadingHeads(const Setting& setting, std::string_view analysis) : setting_(setting), analysis_(analysis) {}

  // The heads of this fold without the refitted one. fold must outlive the reading.
  void begin_fold(const FoldSubjects& fold);
  // Keeps the pooled last layer of a batch of Part::fit, of either model. The view has residuals.
  void see(const BatchView& view);
  // Fits the head after the batches of Part::fit. Returns a note if there are too few clips, else "".
  std::string fit(const FoldSubjects& fold);

  std::span<const Head* const> heads() const { return heads_; }
  const std::vector<std::string>& suffixes() const { return suffixes_; }  // of the heads' variants
  // The variant of rows that have no other one: "", "head-frozen" or "head-refitted".
  std::string variant(size_t head) const { return suffixes_[head].empty() ? "" : suffixes_[head].substr(1); }

 private:
  const Setting& setting_;
  std::string analysis_;
  std::vector<const Head*> heads_;
  std::vector<std::string> suffixes_;
  std::vector<at::Tensor> states_;  // B×D a batch, float64
  std::vector<int64_t> labels_;     // by clip, as in states_
  std::vector<std::string> speakers_;
  Head refitted_;  // defined once heads_ has it
};

}  // namespace loralens
