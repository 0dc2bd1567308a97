#include "inference/predict.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <numeric>

#include "base/profile.h"

namespace loralens {

using at::Tensor;

std::vector<std::vector<size_t>> batches_by_length(std::span<const int64_t> lengths) {
  constexpr int64_t positions_in_batch = 2000;
  std::vector<size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return lengths[a] > lengths[b]; });
  std::vector<std::vector<size_t>> batches;
  int64_t filled = positions_in_batch;
  for (const size_t i : order) {
    if (filled + lengths[i] > positions_in_batch) {
      batches.emplace_back();
      filled = 0;
    }
    batches.back().push_back(i);
    filled += lengths[i];
  }
  return batches;
}

Tensor clip_states(const EmotionModel& model, ClipSource& source, std::span<const int64_t> clips,
                   const std::function<void(int64_t)>& done) {
  const at::NoGradGuard no_grad;
  const Timed time(Phase::inference);
  const Encoder encoder = model.compute_encoder();
  std::vector<int64_t> lengths;
  for (const int64_t clip : clips) lengths.push_back(source.positions()[static_cast<size_t>(clip)]);
  const auto batches = batches_by_length(lengths);
  const auto numbers = [&](const std::vector<size_t>& places) {
    std::vector<int64_t> chosen;
    for (const size_t i : places) chosen.push_back(clips[i]);
    return chosen;
  };
  Tensor all;
  int64_t count = 0;
  for (size_t b = 0; b < batches.size(); ++b) {
    for (size_t next = b; next < std::min(b + 3, batches.size()); ++next) source.prefetch(numbers(batches[next]));
    const Batch batch = with_round_rows(source.batch(numbers(batches[b]), &encoder));
    const Tensor states = head_states(model, encoder, batch.x, source.first_layer(), batch.pass);
    if (!all.defined()) {
      std::vector<int64_t> shape = states.sizes().vec();
      shape[0] = std::ssize(clips);
      all = at::empty(shape, states.options());
    }
    for (size_t i = 0; i < batches[b].size(); ++i)
      all.select(0, static_cast<int64_t>(batches[b][i])).copy_(states.select(0, static_cast<int64_t>(i)));
    count += std::ssize(batches[b]);
    if (done) done(count);
  }
  return all;
}

Tensor probabilities(const EmotionModel& model, const Tensor& states) {
  const at::NoGradGuard no_grad;
  return at::softmax(logits(model.head, states, Pass{}), -1).cpu().to(c10::ScalarType::Float);
}

}  // namespace loralens
