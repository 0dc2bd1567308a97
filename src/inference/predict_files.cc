// SPDX-License-Identifier: Apache-2.0
#include "inference/predict_files.h"

#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "base/profile.h"
#include "classifier/forward.h"
#include "inference/file_batches.h"
#include "inference/predict.h"

namespace loralens {
namespace {

using Mels = std::vector<at::Tensor>;

struct Recognised {
  DecodedFile file;
  std::vector<double> probabilities;  // C, the mean over the models
};

class Recogniser {
 public:
  explicit Recogniser(const std::vector<EmotionModel>& models) : models_(models) {
    for (const auto& model : models) encoders_.push_back(model.compute_encoder());
  }

  const WhisperConfig& config() const { return encoders_.front().config; }

  // Fills in the probabilities of the files that could be decoded.
  void operator()(std::vector<Recognised>& chunk) const {
    const at::NoGradGuard no_grad;
    const Timed time(Phase::inference);
    pass_files(
        chunk, [&](std::span<Recognised* const> files) { batch(files); }, [&](Recognised& one) { long_file(one); });
  }

 private:
  using Probabilities = std::vector<double>;  // C

  void batch(std::span<Recognised* const> files) const {
    std::vector<Probabilities> sums(files.size());
    for (size_t m = 0; m < models_.size(); ++m) {
      std::vector<Mels> rows;
      for (const Recognised* one : files) rows.push_back(rows_of(encoders_[m], one->file.mels, 0));
      const Batch packed = pack(rows);
      const auto name = [&](int64_t row) { return files[row]->file.result.path; };
      add(m, head_states(network_of(models_[m], encoders_[m]), packed.x, 0, packed.pass), name, sums);
    }
    for (size_t i = 0; i < files.size(); ++i) files[i]->probabilities = std::move(sums[i]);
  }

  void long_file(Recognised& one) const {
    std::vector<WindowMean> means(models_.size());
    see_windows(one.file, positions_in_pass(config()), [&](const Mels& mels) {
      for (size_t m = 0; m < models_.size(); ++m) {
        std::vector<Mels> rows;
        for (const auto& row : rows_of(encoders_[m], mels, 0)) rows.push_back({row});
        const Batch packed = pack(rows);
        means[m].add(head_states(network_of(models_[m], encoders_[m]), packed.x, 0, packed.pass), packed.pass.lengths);
      }
    });
    std::vector<Probabilities> sums(1);
    const auto name = [&](int64_t) { return one.file.result.path; };
    for (size_t m = 0; m < models_.size(); ++m) add(m, means[m].mean(), name, sums);
    one.probabilities = std::move(sums[0]);
  }

  // Adds model m's probabilities to the mean over the models.
  void add(size_t m, const at::Tensor& states, const RowName& name, std::vector<Probabilities>& sums) const {
    const at::Tensor p = probabilities(models_[m], states, name);
    const float* values = p.const_data_ptr<float>();
    for (Probabilities& sum : sums) {
      sum.resize(p.size(1));
      for (double& value : sum) value += *values++ / static_cast<double>(models_.size());
    }
  }

  const std::vector<EmotionModel>& models_;
  std::vector<Encoder> encoders_;
};

}  // namespace

void predict_files(const std::vector<EmotionModel>& models, PathSource paths, int64_t threads,
                   const std::function<void(const FilePrediction&)>& give) {
  const LogMel mel(models.front().adapted.encoder.config.mels);
  for (const auto& model : models)
    if (model.classes != models.front().classes)
      fail("models with different classes cannot be averaged: load folds of one run");
  const Recogniser recognise(models);
  FileDecoder decoder(std::move(paths), mel, models.front().input, window_samples(recognise.config()),
                      positions_in_pass(recognise.config()), threads);
  for (auto files = decoder.next(); !files.empty(); files = decoder.next()) {
    std::vector<Recognised> chunk;
    for (DecodedFile& file : files) chunk.push_back({std::move(file), {}});
    recognise(chunk);
    for (const Recognised& one : chunk) give({one.file.result, one.probabilities});
  }
}

}  // namespace loralens
