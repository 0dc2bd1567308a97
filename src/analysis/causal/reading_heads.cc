// SPDX-License-Identifier: Apache-2.0
#include "analysis/causal/reading_heads.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include "analysis/refitted_head.h"
#include "base/random.h"

namespace loralens {
namespace {

bool same_head(const Head& a, const Head& b) {
  const auto first = parameters_of(a), second = parameters_of(b);
  if (first.size() != second.size()) return false;
  for (size_t i = 0; i < first.size(); ++i)
    if (!at::equal(first[i].tensor, second[i].tensor)) return false;
  return true;
}

}  // namespace

void ReadingHeads::begin_fold(const FoldSubjects& fold) {
  states_.clear();
  labels_.clear();
  speakers_.clear();
  heads_ = {&fold.adapted.model.head};
  suffixes_ = {""};
  if (same_head(fold.adapted.model.head, fold.frozen.model.head)) return;
  heads_.push_back(&fold.frozen.model.head);
  suffixes_.emplace_back("-head-frozen");
}

void ReadingHeads::see(const BatchView& view) {
  const Head last;  // reads the last layer's output
  const Network network{view.subject.encoder, view.subject.model.adapted.adapters, last};
  states_.push_back(
      head_states(network, view.residuals.back(), setting_.layers, view.pass).to(c10::ScalarType::Double).cpu());
  for (const int64_t clip : view.clips) {
    labels_.push_back(setting_.labels[clip]);
    speakers_.push_back(setting_.group_of(clip));
  }
}

std::string ReadingHeads::fit(const FoldSubjects& fold) {
  const auto held_out =
      held_out_clips(speakers_, hash_of(setting_.seed, hash_of(analysis_), static_cast<uint64_t>(fold.fold)));
  if (held_out.empty())
    return fmt::format("{}: no refitted head, as there are too few training clips.", setting_.folder_of(fold.fold));
  const RefittedHead fitted = fit_refitted_head(
      {at::cat(states_), at::tensor(labels_, c10::ScalarType::Long), {}, std::ssize(setting_.classes)}, held_out);
  states_.clear();
  refitted_ = fitted.head(fold.adapted.model.head.projector.weight.options().requires_grad(false));
  heads_.push_back(&refitted_);
  suffixes_.emplace_back("-head-refitted");
  return "";
}

}  // namespace loralens
