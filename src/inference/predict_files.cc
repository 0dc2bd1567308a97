// SPDX-License-Identifier: Apache-2.0
#include "inference/predict_files.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>

#include "base/device.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/profile.h"
#include "base/text.h"
#include "classifier/forward.h"
#include "classifier/operations.h"
#include "inference/predict.h"
#include "inference/source.h"
#include "inference/windows.h"

namespace loralens {
namespace {

constexpr size_t files_in_chunk = 32;  // files decoded ahead together; the first chunk is smaller, for a quick start
constexpr int64_t bytes_in_chunk = int64_t{64} << 20;  // limit of log-mels in a chunk, so it holds fewer long files

using Mels = std::vector<at::Tensor>;

struct Decoded {
  FilePrediction result;
  Mels mels;                          // of all windows; for a long file, of the first pass
  std::unique_ptr<ClipWindows> rest;  // the other windows of a long file; null for others
  bool started = false;

  int64_t positions() const {
    int64_t sum = 0;
    for (const auto& mel : mels) sum += mel.size(1) / 2;
    return sum;
  }
};

// The log-mels of the next windows, until they have at least `positions` positions.
Mels next_windows(ClipWindows& windows, int64_t positions) {
  Mels mels;
  for (int64_t filled = 0; filled < positions && !windows.done(); filled += mels.back().size(1) / 2)
    mels.push_back(windows.next());
  return mels;
}

// The error's message, preceded by the file's id unless the message already names the file.
std::string message_of(const std::string& id, const std::exception& error) {
  const std::string reason = reason_of(error);
  return reason.find(clip_of_id(id).path.string()) == std::string::npos ? fmt::format("{}: {}", id, reason) : reason;
}

void decode_file(Decoded& file, const LogMel& mel, const InputOptions& input, int64_t positions) {
  try {
    if (!is_utf8(file.result.path)) fail("the path is not UTF-8, which JSON needs: rename the file or its folder");
    if (file.result.path.find('\0') != std::string::npos) fail("the path holds a zero byte, which no file's name has");
    auto windows = std::make_unique<ClipWindows>(clip_of_id(file.result.path), mel, input);
    file.mels = next_windows(*windows, positions);
    if (windows->done())
      file.result.seconds = windows->seconds();
    else
      file.rest = std::move(windows);
  } catch (const std::exception& error) {
    file.mels.clear();
    file.result.error = message_of(file.result.path, error);
  }
}

// Decodes the first of these files: at least one, and more until the chunk has bytes_in_chunk bytes of log-mels.
std::vector<Decoded> decode(std::span<const std::string> paths, const LogMel& mel, const InputOptions& input,
                            int64_t positions, int64_t threads) {
  std::vector<Decoded> chunk(paths.size());
  std::atomic<int64_t> bytes = 0;
  parallel_for(paths.size(), threads, [&](size_t i) {
    if (i > 0 && bytes > bytes_in_chunk) return;
    chunk[i].started = true;
    chunk[i].result.path = paths[i];
    decode_file(chunk[i], mel, input, positions);
    for (const auto& part : chunk[i].mels) bytes += static_cast<int64_t>(part.nbytes());
  });
  const auto left = std::find_if(chunk.begin(), chunk.end(), [](const Decoded& file) { return !file.started; });
  chunk.erase(left, chunk.end());
  return chunk;
}

class Recogniser {
 public:
  explicit Recogniser(const std::vector<EmotionModel>& models) : models_(models) {
    for (const auto& model : models) encoders_.push_back(model.compute_encoder());
  }

  const WhisperConfig& config() const { return encoders_.front().config; }

  // Fills in the probabilities of the files that could be decoded.
  void operator()(std::vector<Decoded>& chunk) const {
    const at::NoGradGuard no_grad;
    const Timed time(Phase::inference);
    std::vector<Decoded*> whole;
    std::vector<int64_t> lengths;
    for (Decoded& file : chunk) {
      if (!file.result.error.empty()) continue;
      if (file.rest) {
        guarded({&file}, [&] { return long_file(file); });
        file.mels.clear();
        file.rest.reset();
      } else {
        whole.push_back(&file);
        lengths.push_back(file.positions());
      }
    }
    for (const auto& places : batches_by_length(lengths)) {
      std::vector<Decoded*> files;
      for (const int64_t place : places) files.push_back(whole[place]);
      batch(files);
    }
  }

 private:
  using Probabilities = std::vector<double>;  // C

  // Stores the probabilities that `work` returns for the files. If it throws, returns false; the error of a single file
  // is stored in its result.
  bool guarded(const std::vector<Decoded*>& files, const std::function<std::vector<Probabilities>()>& work) const {
    try {
      auto results = work();
      for (size_t i = 0; i < files.size(); ++i) files[i]->result.probabilities = std::move(results[i]);
      return true;
    } catch (const std::exception& error) {
      if (files.size() == 1) files[0]->result.error = message_of(files[0]->result.path, error);
      return false;
    }
  }

  // If a batch fails, its files are tried one by one, so that one bad file does not make the others fail.
  void batch(const std::vector<Decoded*>& files) const {
    if (guarded(files, [&] { return pass(files); }) || files.size() == 1) return;
    for (Decoded* file : files) guarded({file}, [&] { return pass({file}); });
  }

  std::vector<Probabilities> pass(const std::vector<Decoded*>& files) const {
    std::vector<Probabilities> sums(files.size());
    for (size_t m = 0; m < models_.size(); ++m) {
      std::vector<Mels> rows;
      for (const Decoded* file : files) rows.push_back(rows_of(encoders_[m], file->mels, 0));
      const Batch packed = pack(rows);
      add(m, head_states(network_of(models_[m], encoders_[m]), packed.x, 0, packed.pass), files, sums);
    }
    return sums;
  }

  // Predicts a long file; decodes the next windows while the current ones pass through the models.
  std::vector<Probabilities> long_file(Decoded& file) const {
    const int64_t positions = positions_in_pass(config());
    std::vector<WindowMean> means(models_.size());
    for (Mels mels = std::move(file.mels); !mels.empty();) {
      auto ahead = std::async(std::launch::async, [&] {
        const at::NoGradGuard no_grad;
        return next_windows(*file.rest, positions);
      });
      for (size_t m = 0; m < models_.size(); ++m) {
        std::vector<Mels> rows;
        for (const auto& row : rows_of(encoders_[m], mels, 0)) rows.push_back({row});
        const Batch packed = pack(rows);
        means[m].add(head_states(network_of(models_[m], encoders_[m]), packed.x, 0, packed.pass), packed.pass.lengths);
      }
      mels = ahead.get();
    }
    std::vector<Probabilities> sums(1);
    for (size_t m = 0; m < models_.size(); ++m) add(m, means[m].mean(), {&file}, sums);
    file.result.seconds = file.rest->seconds();
    return sums;
  }

  // Adds model m's probabilities to the mean over the models.
  void add(size_t m, const at::Tensor& states, const std::vector<Decoded*>& files,
           std::vector<Probabilities>& sums) const {
    const auto name = [&](int64_t row) { return files[row]->result.path; };
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

void predict_files(const std::vector<EmotionModel>& models, const std::vector<std::string>& paths, int64_t threads,
                   const std::function<void(const FilePrediction&)>& give) {
  const LogMel mel(models.front().adapted.encoder.config.mels);
  for (const auto& model : models)
    if (model.classes != models.front().classes)
      fail("models with different classes cannot be averaged: load folds of one run");
  const Recogniser recognise(models);
  const auto start = [&](size_t begin) {
    const size_t count = std::min(begin == 0 ? size_t{2} : files_in_chunk, paths.size() - begin);
    return std::async(std::launch::async, [&, begin, count] {
      const at::NoGradGuard no_grad;
      return decode(std::span(paths).subspan(begin, count), mel, models.front().input,
                    positions_in_pass(recognise.config()), threads);
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
    recognise(chunk);
    for (const auto& file : chunk) give(file.result);
  }
}

}  // namespace loralens
