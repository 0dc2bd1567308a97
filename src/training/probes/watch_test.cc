// SPDX-License-Identifier: Apache-2.0
#include "training/probes/watch.h"

#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include <limits>
#include <numeric>
#include <set>

#include "classifier/test_model.h"
#include "inference/test_clips.h"
#include "training/fold.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::ElementsAre;
using testing::HasSubstr;

// ---- Measured values against a naive computation

double norm_of(const Tensor& x) {
  return std::sqrt(x.detach().to(c10::ScalarType::Double).square().sum().item<double>());
}

// Two batches of two clips, of which the second has three segments, through a model whose B is not 0.
class Seen : public testing::Test {
 protected:
  Seen() {
    for (uint64_t b = 0; b < 2; ++b) {
      passes_.push_back(pass_of({5, 4, 3, 6}));
      passes_.back().segments = {1, 3};
      states_.push_back(random_tensor({18, 16}, 70 + b).to(c10::ScalarType::Float));
    }
  }

  // The loss of one batch in the step, from its logits; each batch counts half.
  Tensor loss_from(const Tensor& out, size_t b) const {
    return cross_entropy(out, at::tensor(std::vector<int64_t>{0, 2 - static_cast<int64_t>(b)}), {}) * 0.5;
  }

  std::vector<WatchRow> look() {
    const TestFolder folder;
    Watch watch(model_, 5, folder.path() / "watch.csv");
    EXPECT_EQ(watch.begin_step(4, 0), nullptr);
    watch.see_gradients();  // a step that is not measured
    Taps taps;
    taps.observers = {watch.begin_step(15, 2)};
    for (size_t b = 0; b < 2; ++b) {
      passes_[b].taps = &taps;
      loss_from(logits_of(model_, states_[b], passes_[b]), b).backward();
      passes_[b].taps = nullptr;
    }
    watch.see_gradients();
    watch.write();
    return read_watch(folder.path() / "watch.csv");
  }

  static double value(const std::vector<WatchRow>& rows, std::optional<int64_t> layer, const std::string& module,
                      const std::string& component, const std::string& metric) {
    double value = NAN;
    for (const auto& row : rows)
      if (row.layer == layer && row.module == module && row.component == component && row.metric == metric) {
        EXPECT_TRUE(std::isnan(value)) << "the row occurs twice";
        value = row.value;
      }
    return value;
  }

  Base base_ = tiny_base();
  EmotionModel model_ = tiny_model(base_, tiny_adapter("lora"));
  std::vector<Pass> passes_;
  std::vector<Tensor> states_;
};

TEST_F(Seen, ResidualsAndLogits) {
  double squares[3] = {}, kl[3] = {}, logit_squares = 0;
  for (size_t b = 0; b < 2; ++b) {
    std::vector<Tensor> outputs, pooled;
    Tensor x = states_[b];
    for (int64_t l = 0; l < 3; ++l) {
      x = run(model_.adapted.encoder, model_.adapted.adapters, x, {l, l + 1}, passes_[b]);
      x.retain_grad();
      outputs.push_back(x);
      pooled.push_back(mean_over_clips(finish(model_.adapted.encoder, x, passes_[b]), passes_[b]));
    }
    Tensor out = logits(model_.head, pooled[2], {});
    out.retain_grad();
    loss_from(out, b).backward();
    logit_squares += std::pow(norm_of(out.grad()), 2);
    const Tensor last = at::log_softmax(out.detach(), 1);
    for (size_t l = 0; l < 3; ++l) {
      squares[l] += std::pow(norm_of(outputs[l].grad()), 2);
      const Tensor here = at::log_softmax(logits(model_.head, pooled[l], {}).detach(), 1);
      for (int64_t clip = 0; clip < 2; ++clip)
        for (int64_t c = 0; c < 3; ++c) {
          const double p = last[clip][c].item<double>(), q = here[clip][c].item<double>();
          kl[l] += std::exp(p) * (p - q) / 4;
        }
    }
  }
  const auto rows = look();
  for (int64_t l = 0; l < 3; ++l) {
    EXPECT_NEAR(value(rows, l, "", "residual", "gradient_norm") / std::sqrt(squares[l]), 1, 2e-5) << l;
    EXPECT_NEAR(value(rows, l, "", "residual", "kl"), kl[l], 1e-5) << l;
  }
  EXPECT_GT(kl[0], 0.01);
  EXPECT_NEAR(value(rows, {}, "", "logits", "gradient_norm") / std::sqrt(logit_squares), 1, 2e-5);
  for (const auto& row : rows) EXPECT_EQ(std::pair(row.step, row.epoch), std::pair(int64_t{15}, int64_t{2}));
}

// Expects the norm and spectrum measures of `matrix`, computed from the whole matrix by their definitions.
void expect_spectrum(const std::vector<WatchRow>& rows, int64_t layer, const std::string& module,
                     const std::string& component, const Tensor& matrix,
                     double (*value)(const std::vector<WatchRow>&, std::optional<int64_t>, const std::string&,
                                     const std::string&, const std::string&)) {
  const Tensor sigma = at::linalg_svdvals(matrix.detach().to(c10::ScalarType::Double));
  const double sum = sigma.sum().item<double>(), energy = sigma.square().sum().item<double>();
  double entropy = 0, covered = 0, sv90 = 0;
  for (int64_t i = 0; i < sigma.size(0); ++i) {
    const double s = sigma[i].item<double>();
    if (s > 1e-12 * sum) entropy -= s / sum * std::log(s / sum);
    if (covered < 0.9 * energy) ++sv90;
    covered += s * s;
  }
  EXPECT_NEAR(value(rows, layer, module, component, "norm") / norm_of(matrix), 1, 1e-5);
  EXPECT_EQ(value(rows, layer, module, component, "sv90"), sv90);
  EXPECT_NEAR(value(rows, layer, module, component, "effective_rank") / std::exp(entropy), 1, 1e-5);
}

TEST_F(Seen, AdaptersAndTheirGradients) {
  const auto rows = look();
  for (const auto& [place, adapter] : model_.adapted.adapters.linear) {
    const Factors lora = adapter->factors().value();
    const std::string module(name_of(place.module));
    expect_spectrum(rows, place.layer, module, "A", lora.a, value);
    expect_spectrum(rows, place.layer, module, "B", lora.b, value);
    expect_spectrum(rows, place.layer, module, "BA", at::matmul(lora.b, lora.a) * lora.scale, value);
    EXPECT_NEAR(value(rows, place.layer, module, "A", "gradient_norm") / norm_of(lora.a.grad()), 1, 1e-5);
    EXPECT_NEAR(value(rows, place.layer, module, "B", "gradient_norm") / norm_of(lora.b.grad()), 1, 1e-5);
  }
  EXPECT_EQ(rows.size(), 18u * 11 + 3 * 2 + 1);
}

// Infinite weights, as after steps with a far too high learning rate.
TEST_F(Seen, AnInfiniteAdapterIsNamed) {
  for (const Parameter& p : model_.adapted.parameters)
    if (p.role == ParameterRole::factor_b && p.layer == 1 && p.name.find(".fc1.") != std::string::npos)
      p.tensor.detach().fill_(std::numeric_limits<float>::infinity());
  EXPECT_THAT(error_of([&] { look(); }), testing::HasSubstr("B of fc1 in layer 1"));
}

TEST_F(Seen, AnAdapterThatIsZeroHasANormButNoRank) {
  for (const Parameter& p : model_.adapted.parameters)
    if (p.role == ParameterRole::factor_b) p.tensor.detach().zero_();
  const auto rows = look();
  EXPECT_EQ(value(rows, 1, "fc1", "B", "norm"), 0);
  EXPECT_EQ(value(rows, 1, "fc1", "BA", "norm"), 0);
  EXPECT_EQ(value(rows, 1, "fc1", "A", "gradient_norm"), 0);
  EXPECT_GT(value(rows, 1, "fc1", "B", "gradient_norm"), 0);
  EXPECT_TRUE(std::isnan(value(rows, 1, "fc1", "B", "sv90")));
  EXPECT_TRUE(std::isnan(value(rows, 1, "fc1", "BA", "effective_rank")));
}

TEST(WatchFile, IsRefusedWithOtherColumnsOrCells) {
  const TestFolder folder;
  const auto error = [&](const std::string& text) {
    return error_of([&] { read_watch(folder.write("watch.csv", text)); });
  };
  const std::string header = "step,epoch,layer,module,component,metric,value\n";
  EXPECT_EQ(error(header + "0,0,3,v_proj,B,norm,0.5\n0,0,,,logits,gradient_norm,1e-05\n"), "");
  EXPECT_THAT(error("epoch,loss\n0,1\n"), HasSubstr("watch.csv: not the table that training writes"));
  EXPECT_THAT(error(header + "0,0,three,v_proj,B,norm,0.5\n"), HasSubstr("watch.csv, row 2: 'three' is not a number"));
  EXPECT_THAT(error(header + "0,0,3,v_proj,B,norm,\n"), HasSubstr("row 2: '' is not a number"));
}

// ---- In a training

class Watched : public testing::Test {
 protected:
  Watched() {
    for (int64_t i = 0; i < 12; ++i) fold_.train.push_back(i);
    options_.epochs = 4;
    options_.batch = 2;
    options_.accumulate = 2;  // three steps an epoch
    options_.position_dropout = 0.3;
    options_.average = 0.9;
    options_.selection = Selection::last;
    options_.watch = 2;
  }

  struct Trained {
    EmotionModel model;
    std::string history, watch;
  };

  Trained train(const std::string& method, const Path& folder,
                const std::function<void(const TrainProgress&)>& progress = {}) const {
    std::filesystem::create_directories(folder);
    Trained t{make_model(base_, tiny_adapter(method, 0.2), {8}, classes_, options_.seed), "", ""};
    ClipSource source(base_.encoder, clips_.clips, t.model.first_adapted_layer(), {});
    t.history = format_history(train_fold(t.model, source,
                                          {.fold = fold_,
                                           .labels = labels_,
                                           .options = options_,
                                           .checkpoint = folder / "checkpoint",
                                           .progress = progress,
                                           .watch = folder / "watch.csv"}));
    if (std::filesystem::exists(folder / "watch.csv")) t.watch = read_file(folder / "watch.csv");
    return t;
  }

  TestFolder folder_;
  Clips clips_ = tone_corpus(folder_, 12);
  Base base_ = tiny_base();
  std::vector<std::string> classes_ = classes_of(clips_);
  std::vector<int64_t> labels_ = class_numbers(clips_, classes_);
  Fold fold_;
  TrainOptions options_;
};

TEST_F(Watched, TrainingHasTheSameBits) {
  for (const std::string method : {"lora", "full"}) {
    options_.watch = 1;
    const Trained watched = train(method, folder_.path() / method / "watched");
    options_.watch = 0;
    const Trained plain = train(method, folder_.path() / method / "plain");
    expect_same_parameters(watched.model, plain.model);
    EXPECT_EQ(watched.history, plain.history);
    EXPECT_EQ(plain.watch, "");
    EXPECT_THAT(watched.watch, HasSubstr(method == "lora" ? "\n0,0,0,q_proj,A,gradient_norm,0\n" : "residual,kl,"));
  }
}

TEST_F(Watched, MeasuresEveryNthStepOfAllEpochs) {
  train("lora", folder_.path() / "run");
  std::set<std::pair<int64_t, int64_t>> seen;
  for (const WatchRow& row : read_watch(folder_.path() / "run" / "watch.csv")) seen.insert({row.step, row.epoch});
  using Pair = std::pair<int64_t, int64_t>;
  EXPECT_THAT(seen, ElementsAre(Pair{0, 0}, Pair{2, 0}, Pair{4, 1}, Pair{6, 2}, Pair{8, 2}, Pair{10, 3}));
}

TEST_F(Watched, AFrozenEncoderHasNothingToWatch) { EXPECT_EQ(train("frozen", folder_.path() / "run").watch, ""); }

TEST_F(Watched, AResumedTrainingEndsWithTheSameFile) {
  const Trained whole = train("lora", folder_.path() / "whole");
  struct Stop {};
  const auto stop = [](const TrainProgress& p) {
    if (p.epoch == 2) throw Stop();
  };
  const Path cut = folder_.path() / "cut";
  EXPECT_THROW(train("lora", cut, stop), Stop);
  EXPECT_LT(read_file(cut / "watch.csv").size(), whole.watch.size());
  // Interrupted after writing watch.csv and before the checkpoint: watch.csv has newer rows than the checkpoint.
  write_file(cut / "watch.csv", whole.watch);
  EXPECT_THROW(train("lora", cut, stop), Stop);
  const Trained resumed = train("lora", cut);
  EXPECT_EQ(resumed.watch, whole.watch);
  expect_same_parameters(resumed.model, whole.model);
}

TEST(WatchFile, IsReadByColumnNameAndChecked) {
  const TestFolder folder;
  const std::string header = "step,epoch,layer,module,component,metric,value\n";
  const auto read = [&](const std::string& text) { return read_watch(folder.write("watch.csv", text)); };
  const auto rows = read("value,metric,component,module,layer,epoch,step\n1.5,norm,A,v_proj,3,1,20\n");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].step, 20);
  EXPECT_EQ(rows[0].layer, 3);
  EXPECT_EQ(rows[0].module, "v_proj");
  EXPECT_EQ(rows[0].value, 1.5);
  const std::pair<const char*, const char*> faults[] = {
      {"0,0,0,v_proj,A,norm,nan\n", "row 2: the value 'nan' is not finite"},
      {"0,0,-1,v_proj,A,norm,1\n", "row 2: the layer '-1' is below 0"},
      {"0,0,0,v_proj,A,norm,1\n0,0,0,v_proj,A,norm,2\n", "row 3: an earlier row has the same step"},
      {"20,0,0,v_proj,A,norm,1\n0,0,0,v_proj,A,norm,1\n", "row 3: step 0 comes after step 20"},
      {"first,0,0,v_proj,A,norm,1\n", "'first' is not a number"}};
  for (const auto& [text, words] : faults) EXPECT_THAT(error_of([&] { read(header + text); }), HasSubstr(words));
  EXPECT_THAT(error_of([&] { read("step,epoch,layer,module,component,value\n"); }),
              HasSubstr("not the table that training writes"));
}

}  // namespace
}  // namespace loralens
