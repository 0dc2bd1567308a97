// SPDX-License-Identifier: Apache-2.0
#include "training/checkpoint.h"

#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::HasSubstr;

constexpr double none = std::numeric_limits<double>::quiet_NaN();

std::vector<Parameter> trained() {
  return {{.name = "a", .tensor = at::full({2, 3}, 1.0f), .role = ParameterRole::factor_a},
          {.name = "b", .tensor = at::full({3}, 2.0f), .role = ParameterRole::head}};
}
Tensors optimiser() { return {{"a.first", at::full({2, 3}, 3.0f)}}; }

TrainingState some_state() {
  TrainingState state{.step = 8, .best = {.value = 0.5, .loss = 0.25, .uar = none}};
  for (const int64_t epoch : {0, 1})
    state.history.push_back({.epoch = epoch,
                             .steps = 4 * (epoch + 1),
                             .loss = 1.5 - 0.25 * static_cast<double>(epoch),
                             .learning_rate = 1e-3,
                             .measured = {{.column = "gradient_norm_A", .value = 1},
                                          {.column = "gradient_norm_B", .value = 2},
                                          {.column = "gradient_norm_encoder", .value = none},
                                          {.column = "gradient_norm_head", .value = 3}},
                             .selection = {.loss = epoch == 0 ? 0.75 : 0.25, .uar = 0.5, .war = 0.5},
                             .kept = epoch == 1});
  state.optimiser = optimiser();
  for (const Parameter& p : trained()) state.now[p.name] = state.best.weights[p.name] = p.tensor;
  return state;
}

class State : public testing::Test {
 protected:
  std::string error_after(const std::function<void(TrainingState&)>& change) {
    TrainingState state = some_state();
    change(state);
    write_state(file_, state);
    return error_of([&] { read_state(file_, trained(), optimiser()); });
  }
  TestFolder folder_;
  Path file_ = folder_.path() / "checkpoint.safetensors";
};

TEST_F(State, IsReadBack) {
  write_state(file_, some_state());
  const TrainingState state = read_state(file_, trained(), optimiser());
  EXPECT_EQ(state.step, 8);
  EXPECT_EQ(state.best.value, 0.5);
  EXPECT_TRUE(std::isnan(state.best.uar));
  EXPECT_EQ(format_history(state.history), format_history(some_state().history));
  EXPECT_TRUE(state.now.at("a").equal(trained()[0].tensor));
  EXPECT_TRUE(state.optimiser.at("a.first").equal(optimiser().at("a.first")));
  EXPECT_TRUE(state.average.empty());
}

// Checkpoints that loralens 0.1.0 wrote before its history named the columns.
TEST_F(State, IsReadWithoutNamesOfColumns) {
  write_state(file_, some_state());
  const std::string scalars = R"({"step": 8, "best_value": 0.5, "best_loss": 0.25, "best_uar": null, "history": [)"
                              "[0, 4, 1.5, 0.001, 1.0, 2.0, null, 3.0, 0.75, 0.5, 0.5, false],"
                              "[1, 8, 1.25, 0.001, 1.0, 2.0, null, 3.0, 0.25, 0.5, 0.5, true]]}";
  write_safetensors(file_, read_safetensors(file_), {{"state", scalars}});
  const TrainingState state = read_state(file_, trained(), optimiser());
  EXPECT_EQ(format_history(state.history), format_history(some_state().history));
  EXPECT_EQ(state.history[1].selection.loss, 0.25);
}

TEST_F(State, OfAnotherModelIsRefused) {
  EXPECT_EQ(error_after([](auto&) {}), "");
  EXPECT_THAT(error_after([](auto& s) { s.now.erase("b"); }), HasSubstr("now/b"));
  EXPECT_THAT(error_after([](auto& s) { s.now["c"] = s.now["b"]; }), HasSubstr("this model has no tensor now/c"));
  EXPECT_THAT(error_after([](auto& s) { s.best.weights["a"] = at::full({3, 2}, 1.0f); }),
              HasSubstr("best/a has the shape [3, 2]"));
  EXPECT_THAT(error_after([](auto& s) { s.optimiser.clear(); }), HasSubstr("optimiser/a.first"));
  EXPECT_THAT(error_after([](auto& s) { s.now["b"] = at::full({3}, none); }), HasSubstr("holds a NaN or an infinity"));
}

TEST_F(State, ThatContradictsItselfIsRefused) {
  const auto contradicts = HasSubstr("contradict each other");
  EXPECT_THAT(error_after([](auto& s) { s.step = 9; }), contradicts);
  EXPECT_THAT(error_after([](auto& s) { s.history.pop_back(); }), contradicts);
  EXPECT_THAT(error_after([](auto& s) { std::swap(s.history[0], s.history[1]); }), contradicts);
  EXPECT_THAT(error_after([](auto& s) { s.history[0].kept = true; }), contradicts);
  const std::string start = R"({"step": 1, "best_value": 0, "best_loss": 0, "best_uar": 0, "columns": )";
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{\"step\": 1}"), start + R"(["epoch"], "history": [[0]]})",
        start + R"(["epoch", "steps", "loss", "learning_rate", "selection_loss", "selection_uar", "selection_war",
                "kept"], "history": [[0, 1, 1, 1, 1, 1, 1]]})"}) {
    write_safetensors(file_, some_state().now, {{"state", text}});
    EXPECT_THAT(error_of([&] { read_state(file_, trained(), optimiser()); }), HasSubstr("not a valid checkpoint"))
        << text;
  }
  write_safetensors(file_, some_state().now);
  EXPECT_THAT(error_of([&] { read_state(file_, trained(), optimiser()); }), HasSubstr("not a valid checkpoint"));
}

}  // namespace
}  // namespace loralens
