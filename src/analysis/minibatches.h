// SPDX-License-Identifier: Apache-2.0
// Minibatches of clips for Gram matrices: a mean vector and a few sampled frames per clip and site, gathered from the
// forward and backward passes, so that memory does not grow with the number of clips.
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

// F row numbers in [0, rows), rows > 0, drawn independently; a clip has the same ones at every site, model and run.
std::vector<int64_t> sampled_frames(uint64_t seed, std::string_view clip_id, int64_t rows);

// Model and site of a sampled value.
struct SampledSite {
  Role role;
  Site site;
  bool gradient = false;  // the loss's gradient at the site, not its value
  auto operator<=>(const SampledSite&) const = default;
};

struct Minibatch {
  std::vector<std::string> groups;  // n: Setting::group_of each clip
  // (1+F)×n×dim on the CPU: the mean over each clip's speech frames, then F sets with one sampled frame per clip.
  // float32, or float64 if the pass is float64.
  std::map<SampledSite, at::Tensor> samples;
};

// Gathers whole batches as long as they fit into a minibatch. All models' values and gradients of one batch arrive
// before the next batch does, so the minibatch is complete when a batch arrives that does not fit.
class Minibatches {
 public:
  // use: called for each minibatch of 4 to 64 clips; fewer than 4 clips are dropped.
  Minibatches(const Setting& setting, std::function<void(const Minibatch&)> use)
      : setting_(setting), use_(std::move(use)) {}

  // value: ΣT×dim. A site must be present in all batches of a part or in none.
  void see(const BatchView& view, const SampledSite& where, const at::Tensor& value);
  // Call after the last batch of a part.
  void flush();

  int64_t used() const { return used_; }  // clips
  int64_t dropped() const { return dropped_; }  // clips

 private:
  void begin_batch(const BatchView& view);
  void give(int64_t begin, int64_t count);

  const Setting& setting_;
  std::function<void(const Minibatch&)> use_;
  std::vector<int64_t> batch_;  // clips of the current batch
  std::vector<int64_t> frames_;  // B·F sampled rows of the current batch
  std::vector<std::string> groups_;  // of all gathered clips
  struct Gathered {
    at::Tensor samples;  // (1+F)×capacity×dim, reused: allocation per clip would fragment the heap
    int64_t clips = 0;  // filled, at most the capacity
  };
  std::map<SampledSite, Gathered> gathered_;
  int64_t used_ = 0, dropped_ = 0;
};

}  // namespace loralens
