// SPDX-License-Identifier: Apache-2.0
// Clips as samples: one vector a clip and site, gathered from the passes until there are enough for a Gram, so that
// memory does not grow with the number of clips.
#pragma once

#include <ATen/core/Tensor.h>

#include <compare>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/analysis.h"

namespace loralens {

inline constexpr int64_t clips_in_minibatch = 64;  // at most
inline constexpr int64_t frames_of_clip = 8;       // F, drawn from each clip

// Numbers of F rows below `rows` (> 0), drawn independently; the same for every site, model and run of a clip.
std::vector<int64_t> sampled_frames(uint64_t seed, std::string_view clip_id, int64_t rows);

// Whose value, and where.
struct SampledSite {
  Role role;
  Site site;
  bool gradient = false;  // the loss's gradient there
  auto operator<=>(const SampledSite&) const = default;
};

struct Minibatch {
  std::vector<std::string> groups;  // n: Setting::group_of each clip
  // (1+F)×n×dim on the CPU: the means over the clips' speech frames, then the f-th sampled frames of all clips, so that
  // no set holds two frames of one clip. float32, or float64 if the pass is.
  std::map<SampledSite, at::Tensor> samples;
};

// Gathers whole batches while they fit. Models and gradients of one batch come one after the other, so that a minibatch
// is complete as soon as the next batch appears.
class Minibatches {
 public:
  // use: called for each minibatch of 4 to 64 clips; one of fewer is dropped.
  Minibatches(const Setting& setting, std::function<void(const Minibatch&)> use)
      : setting_(setting), use_(std::move(use)) {}

  // value: ΣT×dim. Sites may be absent, but not for some batches only.
  void see(const BatchView& view, const SampledSite& where, const at::Tensor& value);
  // After the last batch of a part.
  void flush();

  int64_t used() const { return used_; }  // clips
  int64_t dropped() const { return dropped_; }  // clips

 private:
  void begin_batch(const BatchView& view);
  void give(int64_t begin, int64_t count);

  const Setting& setting_;
  std::function<void(const Minibatch&)> use_;
  std::vector<int64_t> batch_;  // clips of the batch in hand
  std::vector<int64_t> frames_;  // B·F rows of it
  std::vector<std::string> groups_;  // of all gathered clips
  struct Gathered {
    at::Tensor samples;  // (1+F)×capacity×dim, reused: clip by clip it would leave holes in the heap
    int64_t clips = 0;  // of the capacity
  };
  std::map<SampledSite, Gathered> gathered_;
  int64_t used_ = 0, dropped_ = 0;
};

}  // namespace loralens
