// SPDX-License-Identifier: Apache-2.0
#include "cli/train/plan.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <ranges>
#include <set>

namespace loralens {
namespace {

// "12 to 16" for parts of different sizes.
std::string sizes_of(const std::vector<Fold>& folds, std::vector<int64_t> Fold::* part) {
  const auto [least, most] =
      std::ranges::minmax(folds | std::views::transform([&](const Fold& fold) { return std::ssize(fold.*part); }));
  return least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most);
}

}  // namespace

void print_plan(const Clips& clips, const std::vector<Fold>& folds, const std::vector<std::string>& classes,
                const Base& base, const TrainArguments& a) {
  std::set<std::string> speakers;
  for (const Clip& clip : clips.clips) speakers.insert(clip.speaker);
  const EmotionModel model = make_model(base, a.run.adapter, a.run.head, classes, a.run.train.seed);
  int64_t head = 0, encoder = 0;
  for (const Parameter& p : model.parameters())
    if (p.trained) (p.in_head() ? head : encoder) += p.tensor.numel();
  fmt::print("clips       {}, {} speakers, {} classes: {}\n", clips.clips.size(), speakers.size(), classes.size(),
             fmt::join(classes, " "));
  fmt::print("folds       {}, {}: {} clips train, {} choose the epoch, {} test\n", folds.size(), a.folds.scheme,
             sizes_of(folds, &Fold::train), sizes_of(folds, &Fold::development), sizes_of(folds, &Fold::test));
  fmt::print("model       {}, {}: {} values of the encoder or its adapters are trained, {} of the head\n", base.name,
             a.run.adapter.method, encoder, head);
  fmt::print("trainings   {} of up to {} epochs{}\n", std::ssize(folds) * a.run.seeds, a.run.train.epochs,
             a.run.final_model ? ", and the final model" : "");
}

}  // namespace loralens
