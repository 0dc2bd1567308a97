// SPDX-License-Identifier: Apache-2.0
// For tests: an adapter that writes a vector of each clip at every position, so that a test knows what a state holds.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <map>
#include <memory>
#include <vector>

#include "analysis/test_fold.h"

namespace loralens {

struct Planted : SiteAdapter {
  std::map<uint64_t, at::Tensor> of_clip;  // D, by the key of the clip's segment
  at::Tensor forward(const at::Tensor& x, const Site&, const Pass& pass) const override {
    std::vector<at::Tensor> rows;
    for (size_t s = 0; s < pass.lengths.size(); ++s)
      rows.push_back(of_clip.at(pass.keys[s]).expand({pass.lengths[s], x.size(1)}));
    return x + at::cat(rows);
  }
  bool merge_into(EncoderLayer&, const Site&) const override { return false; }
  AdapterOperations operations() const override { return {}; }
  void randomise(uint64_t) const override {}
};

// Replaces the adapters of the fold's adapted model by one that adds vector_of(clip) to the output of a layer.
template <typename F>
void plant(TestFold& fold, int64_t layer, const F& vector_of) {
  auto planted = std::make_shared<Planted>();
  for (int64_t clip = 0; clip < 20; ++clip)
    planted->of_clip[fold.see(fold.subjects.frozen, clip).pass.keys.front()] = vector_of(clip);
  AdapterSet& adapters = fold.subjects.adapted.model.adapted.adapters;
  adapters.clear();
  adapters.add({SiteKind::residual_out, layer}, planted);
}

// A vector of the width 16 with one element that is not 0.
inline at::Tensor unit_vector(int64_t place, double size) {
  at::Tensor vector = at::zeros({16}, c10::ScalarType::Double);
  vector[place] = size;
  return vector;
}

// The clips of the fold with texts, speakers and genders: four speakers say two texts.
inline Clips described_clips(const TestFold& fold) {
  Clips clips = *fold.setting.clips;
  for (size_t i = 0; i < clips.clips.size(); ++i) {
    clips.clips[i].text = i % 4 < 2 ? "first" : "second";
    clips.clips[i].speaker = std::string("s") + std::to_string(i % 2 + 2 * (i / 4 % 2));
    clips.clips[i].gender = i % 2 == 0 ? "female" : "male";
  }
  return clips;
}

}  // namespace loralens
