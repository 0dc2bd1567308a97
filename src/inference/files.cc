#include "inference/files.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <future>

#include "base/device.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/profile.h"
#include "classifier/operations.h"
#include "inference/predict.h"
#include "inference/source.h"

namespace loralens {
namespace {

constexpr size_t files_in_chunk = 32;  // decoded ahead together; the first is small, for a quick first answer

struct Decoded {
  FilePrediction result;
  std::vector<at::Tensor> mels;
};

std::vector<Decoded> decode(std::span<const std::string> paths, const LogMel& mel, const InputOptions& input,
                            int64_t threads) {
  std::vector<Decoded> chunk(paths.size());
  parallel_for(paths.size(), static_cast<size_t>(threads), [&](size_t i) {
    chunk[i].result.path = paths[i];
    try {
      chunk[i].mels = mel_segments(clip_of_id(paths[i]), mel, input, &chunk[i].result.seconds);
    } catch (const Error& error) {
      chunk[i].result.error = error.what();
    }
  });
  return chunk;
}

std::vector<at::Tensor> stems(const Encoder& encoder, const std::vector<at::Tensor>& mels) {
  const Timed time(Phase::stem);
  std::vector<at::Tensor> rows;
  for (const auto& mel : mels) {
    rows.push_back(stem(encoder, on_device(mel, encoder.device()).to(encoder.positions.scalar_type())));
    count_operations(stem_operations(encoder.config, rows.back().size(0)));
  }
  return rows;
}

// Fills in the probabilities of the clips that could be decoded.
void recognise(const std::vector<EmotionModel>& models, const std::vector<Encoder>& encoders, std::vector<Decoded>& chunk) {
  const at::NoGradGuard no_grad;
  const Timed time(Phase::inference);
  std::vector<size_t> good;
  std::vector<int64_t> lengths;
  for (size_t i = 0; i < chunk.size(); ++i) {
    if (!chunk[i].result.error.empty()) continue;
    int64_t positions = 0;
    for (const auto& mel : chunk[i].mels) positions += mel.size(1) / 2;
    good.push_back(i);
    lengths.push_back(positions);
  }
  for (const auto& batch : batches_by_length(lengths)) {
    for (size_t m = 0; m < models.size(); ++m) {
      std::vector<std::vector<at::Tensor>> rows;
      for (const size_t b : batch) {
        rows.push_back(stems(encoders[m], chunk[good[b]].mels));
      }
      const Batch packed = pack(rows);
      const auto p = probabilities(models[m], head_states(models[m], encoders[m], packed.x, 0, packed.pass)).contiguous();
      const float* values = p.const_data_ptr<float>();
      for (size_t b = 0; b < batch.size(); ++b) {
        auto& sum = chunk[good[batch[b]]].result.probabilities;
        sum.resize(static_cast<size_t>(p.size(1)));
        for (size_t c = 0; c < sum.size(); ++c) sum[c] += values[b * sum.size() + c] / static_cast<double>(models.size());
      }
    }
  }
}

}  // namespace

void predict_files(const std::vector<EmotionModel>& models, const std::vector<std::string>& paths, int64_t threads,
                   const std::function<void(const FilePrediction&)>& give) {
  const LogMel mel(models.front().adapted.encoder.config.mels);
  std::vector<Encoder> encoders;
  for (const auto& model : models) encoders.push_back(model.compute_encoder());
  const auto start = [&](size_t begin) {
    const size_t count = std::min(begin == 0 ? size_t{2} : files_in_chunk, paths.size() - begin);
    return std::async(std::launch::async, [&, begin, count] {
      const at::NoGradGuard no_grad;
      return decode(std::span(paths).subspan(begin, count), mel, models.front().input, threads);
    });
  };
  if (paths.empty()) return;
  auto ahead = start(0);
  for (size_t begin = 0; begin < paths.size();) {
    std::vector<Decoded> chunk = [&] {
      const Timed time(Phase::wait);
      return ahead.get();
    }();
    begin += chunk.size();
    if (begin < paths.size()) ahead = start(begin);
    recognise(models, encoders, chunk);
    for (const auto& file : chunk) give(file.result);
  }
}

}  // namespace loralens
