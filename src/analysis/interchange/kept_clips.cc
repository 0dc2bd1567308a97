// SPDX-License-Identifier: Apache-2.0
#include "analysis/interchange/kept_clips.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>

namespace loralens {

using at::Tensor;

void KeptClips::keep(const BatchView& view, const std::set<int64_t>& wanted) {
  int64_t first_row = 0, segment = 0;
  for (size_t i = 0; i < view.clips.size(); ++i) {
    const int64_t segments = view.pass.segments[i];
    if (wanted.contains(view.clips[i])) {
      Kept& kept = kept_[view.clips[i]];
      kept.rows = view.clip_rows[i];
      kept.speech_rows = view.speech_rows[i];
      for (int64_t s = segment; s < segment + segments; ++s) {
        kept.lengths.push_back(view.pass.lengths[s]);
        kept.keys.push_back(view.pass.keys[s]);
      }
      std::vector<Tensor> means;
      for (const Tensor& residual : view.residuals) {
        kept.states.push_back(residual.narrow(0, first_row, kept.rows).detach().clone());
        means.push_back(kept.states.back().narrow(0, 0, kept.speech_rows).to(c10::ScalarType::Double).mean(0));
      }
      kept.means = at::stack(means).cpu();
      clips_.push_back(view.clips[i]);
    }
    first_row += view.clip_rows[i];
    segment += segments;
  }
}

std::unique_ptr<KeptBatch> KeptClips::batch(const Setting& setting, const FoldSubjects& fold, const Subject& subject,
                                            Part part, std::span<const int64_t> clips) const {
  auto batch = std::make_unique<KeptBatch>(setting, fold, subject, part, clips);
  BatchView& view = batch->view;
  std::vector<std::vector<Tensor>> states(setting.layers + 1);
  for (const int64_t clip : clips) {
    const Kept& kept = kept_.at(clip);
    batch->pass.lengths.insert(batch->pass.lengths.end(), kept.lengths.begin(), kept.lengths.end());
    batch->pass.keys.insert(batch->pass.keys.end(), kept.keys.begin(), kept.keys.end());
    batch->pass.segments.push_back(std::ssize(kept.lengths));
    view.clip_rows.push_back(kept.rows);
    view.speech_rows.push_back(kept.speech_rows);
    for (size_t state = 0; state < states.size(); ++state) states[state].push_back(kept.states[state]);
  }
  for (const auto& of_clips : states) view.residuals.push_back(at::cat(of_clips));
  return batch;
}

}  // namespace loralens
