// SPDX-License-Identifier: Apache-2.0
// For tests of the alignment analysis: a fold with synthetic activations and gradients.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "adapter/lora/lora.h"
#include "analysis/test_fold.h"

namespace loralens::handmade {

using at::Tensor;

inline constexpr int64_t out = 7, rank = 3, in = 5, width = 6, layers = 2;
inline constexpr Module module = Module::v_proj;

// Two layers with LoRA on v_proj and clips of five speakers; activations and gradients are synthetic.
struct HandMade {
  Clips clips;
  Setting setting;
  FoldSubjects fold;
  std::vector<int64_t> rows, speech;  // of each clip

  explicit HandMade(int64_t count, bool paper = false) {
    for (int64_t i = 0; i < count; ++i) {
      Clip clip;
      clip.id = fmt::format("{}.wav", i);
      clip.speaker = fmt::format("s{}", i % 5);
      clips.clips.push_back(clip);
      rows.push_back(paper ? 4 : 4 + i % 5);
      speech.push_back(paper ? 4 : 2 + i % 3);
    }
    setting.clips = &clips;
    setting.protocol = paper ? paper_protocol : strict_protocol;
    setting.layers = layers;
    setting.width = width;
    for (int64_t l = 0; l < layers; ++l) {
      setting.adapted.emplace_back(l, module);
      set_lora(Role::adapted, l, random_tensor({rank, in}, 10 + static_cast<uint64_t>(l)),
               random_tensor({out, rank}, 20 + static_cast<uint64_t>(l)));
      set_lora(Role::untrained, l, random_tensor({rank, in}, 30 + static_cast<uint64_t>(l)),
               random_tensor({out, rank}, 40 + static_cast<uint64_t>(l)));
    }
  }
  HandMade(const HandMade&) = delete;

  Subject& subject(Role role) {
    return role == Role::adapted ? fold.adapted : role == Role::frozen ? fold.frozen : fold.untrained;
  }
  void set_lora(Role role, int64_t layer, const Tensor& a, const Tensor& b) {
    auto lora = std::make_shared<Lora>();
    lora->a = a;
    lora->b = b;
    subject(role).model.adapted.adapters.linear[{layer, module}] = std::move(lora);
  }
  Factors lora(Role role, int64_t layer) {
    return subject(role).model.adapted.adapters.linear.at({layer, module})->factors().value();
  }

  // One clip's value at a site; the residual streams of both models share a component.
  Tensor seen(Role role, const Site& site, int64_t clip) {
    const int64_t t = rows[clip];
    const auto number = static_cast<uint64_t>(clip);
    const auto key = [&](uint64_t what) { return hash_of(what, number, static_cast<uint64_t>(site.layer)); };
    if (site.kind == SiteKind::adapter_down)
      return at::matmul(random_tensor({t, in}, key(1)), lora(role, site.layer).a.t());
    if (site.kind == SiteKind::attention_in) return random_tensor({t, in}, key(1));
    if (site.kind == SiteKind::residual_in) return random_tensor({t, width}, key(2));
    return random_tensor({t, width}, key(2)) +
           (role == Role::adapted ? 0.5 * static_cast<double>(1 + site.layer) : 0) * random_tensor({t, width}, key(3));
  }
  double gradient_scale = 1;
  Tensor gradient(Role role, int64_t layer, int64_t clip) {
    return gradient_scale * random_tensor({rows[clip], out},
                                          hash_of(4, static_cast<uint64_t>(clip), layer, static_cast<uint64_t>(role)));
  }

  // Calls the analysis as the runner does, in batches of up to `batch` clips.
  Findings pass(int64_t batch) {
    const auto analysis = make_alignment(setting);
    const Part part = setting.protocol.training_clips == TrainingClips::sample ? Part::sample : Part::test;
    analysis->begin_fold(fold);
    for (int64_t first = 0; first < std::ssize(rows); first += batch) {
      std::vector<int64_t> numbers;
      for (int64_t i = first; i < std::min<int64_t>(first + batch, std::ssize(rows)); ++i) numbers.push_back(i);
      for (const Role role : {Role::adapted, Role::frozen, Role::untrained})
        if (analysis->wants(part, role)) pass(*analysis, part, role, numbers);
    }
    analysis->end_part(fold, part);
    analysis->end_fold(fold);
    return analysis->finish();
  }

 private:
  void pass(Analysis& analysis, Part part, Role role, const std::vector<int64_t>& numbers) {
    const Pass passing;
    BatchView view{setting, fold, subject(role), part, numbers, passing, {}, {}, {}, {}};
    for (const int64_t clip : numbers) {
      view.clip_rows.push_back(rows[clip]);
      view.speech_rows.push_back(speech[clip]);
    }
    const auto packed = [&](const auto& value_of_clip) {
      std::vector<Tensor> parts;
      for (const int64_t clip : numbers) parts.push_back(value_of_clip(clip));
      return at::cat(parts);
    };
    std::vector<Site> sites = {{SiteKind::residual_in, 0}};
    for (int64_t l = 0; l < layers; ++l) {
      if (!setting.adapted.empty()) {
        sites.push_back({SiteKind::attention_in, l});
        sites.push_back({SiteKind::adapter_down, l, module});
      }
      sites.push_back({SiteKind::residual_out, l});
    }
    for (const Site& site : sites)
      if (analysis.wants(part, role, site))
        analysis.see(view, site, packed([&](int64_t clip) { return seen(role, site, clip); }));
    analysis.end_batch(view);
    for (int64_t l = layers - 1; l >= 0 && !setting.adapted.empty(); --l)
      if (const Site site{SiteKind::adapter_up, l, module}; analysis.wants_gradient(part, role, site))
        analysis.see_gradient(view, site, packed([&](int64_t clip) { return gradient(role, l, clip); }));
    analysis.end_gradients(view);
  }
};

using Feature = std::function<Tensor(int64_t clip)>;  // T×any

}  // namespace loralens::handmade
