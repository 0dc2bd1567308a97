// SPDX-License-Identifier: Apache-2.0
// A fold's training in several processes, which are threads here, ends as in one process but for the order of sums. In
// double precision, since Adam divides by the size of a gradient, and those close to 0 are rounding in float.
#include <gmock/gmock.h>

#include <mutex>

#include "training/probes/watch.h"
#include "training/processes/test_processes.h"
#include "training/test_fold_training.h"

namespace loralens {
namespace {

using testing::HasSubstr;

constexpr double close = 1e-8;

class TogetherTest : public FoldTest {
 protected:
  TogetherTest() { base_ = tiny_base({c10::ScalarType::Double, c10::ScalarType::Double}); }

  struct Result {
    EmotionModel model;
    std::vector<EpochRecord> history;
  };

  // Trains a new model in `size` processes, with their files in `folder`; returns that of process 0. stop: called in
  // all processes after each step.
  Result train_in(int64_t size, const AdapterOptions& adapter, const Path& folder,
                  const std::function<void(const TrainProgress&)>& stop = {}) const {
    std::optional<Result> result;
    std::filesystem::create_directories(folder);
    in_processes(size, [&](Processes& processes) {
      EmotionModel model = make_model(base_, adapter, {8, weighted_}, classes_, options_.seed);
      ClipSource source(base_.encoder, clips_.clips, model.first_adapted_layer(), {});
      at::Tensor states;
      if (options_.head_epochs > 0) states = clip_states(model, source, everything());
      auto history = train_fold(model, source,
                                {.fold = fold_,
                                 .labels = labels_,
                                 .options = options_,
                                 .start_states = states,
                                 .checkpoint = processes.leads() ? folder / "checkpoint.safetensors" : Path(),
                                 .progress = stop,
                                 .watch = folder / "watch.csv",
                                 .targets = targets_,
                                 .processes = processes});
      if (processes.leads()) result.emplace(Result{std::move(model), std::move(history)});
    });
    return std::move(result).value();
  }

  void expect_close(const Result& made, const Result& expected, const std::string& what) const {
    const auto a = made.model.parameters(), b = expected.model.parameters();
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i)
      EXPECT_LT(difference(a[i].tensor, b[i].tensor), close) << what << ": " << a[i].name;
    ASSERT_EQ(made.history.size(), expected.history.size()) << what;
    for (size_t e = 0; e < made.history.size(); ++e)
      visit_cells(made.history[e], [&](const std::string& column, const auto& value) {
        visit_cells(expected.history[e], [&](const std::string& other, const auto& reference) {
          if (column != other) return;
          const auto x = static_cast<double>(value), y = static_cast<double>(reference);
          EXPECT_TRUE((std::isnan(x) && std::isnan(y)) || std::abs(x - y) <= close * std::max(1.0, std::abs(y)))
              << what << ", epoch " << e << ", " << column << ": " << x << ", " << y;
        });
      });
  }

  // Expects 2 and 5 processes to end as one.
  void expect_alike(const std::string& what, const AdapterOptions& adapter = tiny_adapter("lora", 0.2)) {
    const Path one = folder_.path() / (what + "-1");
    const Result expected = train_in(1, adapter, one);
    for (const int64_t size : {2, 5}) {
      const Path folder = folder_.path() / fmt::format("{}-{}", what, size);
      expect_close(train_in(size, adapter, folder), expected, fmt::format("{}, {} processes", what, size));
      if (options_.watch == 0 || !std::filesystem::exists(one / "watch.csv")) continue;
      const auto rows = read_watch(folder / "watch.csv"), reference = read_watch(one / "watch.csv");
      ASSERT_EQ(rows.size(), reference.size());
      for (size_t i = 0; i < rows.size(); ++i) {
        EXPECT_EQ(std::tie(rows[i].step, rows[i].layer, rows[i].component, rows[i].metric),
                  std::tie(reference[i].step, reference[i].layer, reference[i].component, reference[i].metric));
        EXPECT_NEAR(rows[i].value, reference[i].value, 1e-5 * std::abs(reference[i].value) + 1e-9)
            << what << ": " << rows[i].component << " " << rows[i].metric;
      }
    }
  }

  bool weighted_ = false;
};

TEST_F(TogetherTest, UnevenBatchesAndFewerClipsThanProcesses) {
  options_.batch = 5;  // 5, 5 and 2 clips
  options_.watch = 2;
  expect_alike("uneven");
  options_.batch = 1;
  options_.epochs = 1;
  options_.watch = 1;
  expect_alike("single");
}

TEST_F(TogetherTest, AccumulatedBatchesAndHeadEpochs) {
  options_.batch_frames = 200;
  options_.accumulate = 2;
  options_.head_epochs = 2;
  options_.orthogonality = 0.1;
  options_.nuclear_norm = 0.1;
  expect_alike("accumulated");
}

// With class weights a batch's mean is divided by the sum of its weights, which its parts do not know.
TEST_F(TogetherTest, ClassWeightsOfHardAndSoftLabels) {
  fold_.train = {0, 2, 4, 6, 8, 10, 12, 1, 3};
  options_.batch = 5;
  options_.class_weights = true;
  options_.label_smoothing = 0.1;
  expect_alike("weights");
  targets_ = random_tensor({20, 2}, 3, 2).softmax(1);
  expect_alike("soft");
}

TEST_F(TogetherTest, AveragesSelectionAndAugmentation) {
  options_.selection = Selection::development;
  options_.average = 0.5;
  options_.epochs = 5;
  options_.patience = 2;
  options_.position_dropout = 0.2;
  options_.augment = {.time_masks = 1, .mel_masks = 1};
  expect_alike("average");
}

TEST_F(TogetherTest, AnEarlyAuxiliaryHead) {
  options_.specialize = "early:1";
  expect_alike("auxiliary");
}

TEST_F(TogetherTest, AllWeightsAndAWeightedLayerSum) {
  options_.learning_rate = 1e-3;
  weighted_ = true;
  expect_alike("full", tiny_adapter("full"));
}

TEST_F(TogetherTest, TheSameNumberOfProcessesHasTheSameBits) {
  const auto first = train_in(3, tiny_adapter("lora", 0.2), folder_.path() / "a"),
             second = train_in(3, tiny_adapter("lora", 0.2), folder_.path() / "b");
  expect_same_parameters(first.model, second.model);
  EXPECT_EQ(format_history(first.history), format_history(second.history));
}

TEST_F(TogetherTest, AnotherNumberOfProcessesGoesOn) {
  options_.selection = Selection::development;
  options_.average = 0.5;
  options_.watch = 2;
  options_.epochs = 4;
  const AdapterOptions adapter = tiny_adapter("lora", 0.2);
  const auto expected = train_in(1, adapter, folder_.path() / "whole");
  const auto stop = [](const TrainProgress& p) {
    if (p.epoch == 2) throw Stop();
  };
  for (const auto& [before, after] : {std::pair{2, 3}, {3, 1}, {1, 2}}) {
    const Path folder = folder_.path() / fmt::format("{}-{}", before, after);
    EXPECT_THROW(train_in(before, adapter, folder, stop), Stop);
    std::vector<int64_t> epochs;
    std::mutex guard;
    const auto made = train_in(after, adapter, folder, [&](const TrainProgress& p) {
      const std::lock_guard lock(guard);
      epochs.push_back(p.epoch);
    });
    EXPECT_EQ(epochs.front(), 2) << "whole epochs are not trained again";
    expect_close(made, expected, fmt::format("{} then {} processes", before, after));
  }
}

TEST_F(TogetherTest, ALossThatIsNotFiniteIsOneErrorWithTheBatch) {
  options_.learning_rate = options_.head_learning_rate = 1e30;
  const auto alone = error_of([&] { train_in(1, tiny_adapter("lora"), folder_.path() / "one"); });
  EXPECT_THAT(alone, HasSubstr("the loss is not finite from batch"));
  EXPECT_EQ(error_of([&] { train_in(3, tiny_adapter("lora"), folder_.path() / "three"); }), alone);
}

}  // namespace
}  // namespace loralens
