// SPDX-License-Identifier: Apache-2.0
#include "training/state.h"

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
  return {{"a", at::full({2, 3}, 1.0f), ParameterRole::factor_a}, {"b", at::full({3}, 2.0f), ParameterRole::head}};
}
Tensors optimiser() { return {{"a.first", at::full({2, 3}, 3.0f)}}; }

TrainingState some_state() {
  TrainingState state;
  state.step = 8;
  state.best_value = 0.5;
  state.best_loss = 0.25;
  state.best_uar = none;
  state.history = {{0, 4, 1.5, 1e-3, 1, 2, none, 3, 0.75, 0.5, 0.5, false},
                   {1, 8, 1.25, 1e-3, 1, 2, none, 3, 0.25, 0.5, 0.5, true}};
  state.optimiser = optimiser();
  for (const Parameter& p : trained()) state.now[p.name] = state.best[p.name] = p.tensor;
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

TEST_F(State, ComesBack) {
  write_state(file_, some_state());
  const TrainingState state = read_state(file_, trained(), optimiser());
  EXPECT_EQ(state.step, 8);
  EXPECT_EQ(state.best_value, 0.5);
  EXPECT_TRUE(std::isnan(state.best_uar));
  EXPECT_EQ(format_history(state.history), format_history(some_state().history));
  EXPECT_TRUE(state.now.at("a").equal(trained()[0].tensor));
  EXPECT_TRUE(state.optimiser.at("a.first").equal(optimiser().at("a.first")));
  EXPECT_TRUE(state.average.empty());
}

TEST_F(State, OfAnotherModelIsRefused) {
  EXPECT_EQ(error_after([](auto&) {}), "");
  EXPECT_THAT(error_after([](auto& s) { s.now.erase("b"); }), HasSubstr("now/b"));
  EXPECT_THAT(error_after([](auto& s) { s.now["c"] = s.now["b"]; }),
              HasSubstr("nothing in this model is called now/c"));
  EXPECT_THAT(error_after([](auto& s) { s.best["a"] = at::full({3, 2}, 1.0f); }),
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
  for (const char* text : {"", "[]", "{\"step\": 1}"}) {
    write_safetensors(file_, some_state().now, {{"state", text}});
    EXPECT_THAT(error_of([&] { read_state(file_, trained(), optimiser()); }), HasSubstr("no state of a training"))
        << text;
  }
  write_safetensors(file_, some_state().now);
  EXPECT_THAT(error_of([&] { read_state(file_, trained(), optimiser()); }), HasSubstr("no state of a training"));
}

}  // namespace
}  // namespace loralens
