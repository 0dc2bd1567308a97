// SPDX-License-Identifier: Apache-2.0
#include "training/processes/shared.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <array>

#include "compute/test_tensors.h"
#include "training/processes/test_processes.h"

namespace loralens {
namespace {

using at::Tensor;

Parameter parameter(const std::string& name, at::IntArrayRef shape) {
  return {.name = name, .tensor = at::empty(shape).fill_(0).requires_grad_(), .role = ParameterRole::head};
}

// 2^24 + 1 + (-2^24) in float: 0 in this order, 1 in another.
TEST(SharedSums, AreAddedInTheOrderOfRanks) {
  const std::array<float, 3> addends = {16777216, 1, -16777216};
  in_processes(3, [&](Processes& processes) {
    const Tensor value = at::tensor({addends[processes.rank()]});
    processes.sum(value);
    EXPECT_EQ(value.item<float>(), 0);
  });
}

TEST(SharedSums, OfGradientsLeaveOutWhatNoProcessHas) {
  in_processes(3, [](Processes& processes) {
    const std::vector<Parameter> parameters = {parameter("one", {2}), parameter("none", {3}), parameter("all", {2, 2})};
    if (processes.rank() == 1) parameters[0].tensor.mutable_grad() = at::tensor({3.F, 4.F});
    parameters[2].tensor.mutable_grad() = at::empty({2, 2}).fill_(static_cast<double>(processes.rank()) + 1);
    sum_gradients(processes, parameters);
    EXPECT_TRUE(same_bits(parameters[0].tensor.grad(), at::tensor({3.F, 4.F})));
    EXPECT_FALSE(parameters[1].tensor.grad().defined());
    EXPECT_TRUE(same_bits(parameters[2].tensor.grad(), at::empty({2, 2}).fill_(6)));
  });
}

TEST(SharedRows, AreThoseOfOneProcess) {
  const Tensor table = random_tensor({7, 3}, 1);
  const std::vector<int64_t> clips = {6, 0, 2, 5, 1};
  const auto rows_of = [&](std::span<const int64_t> own) {
    return table.index_select(0, at::tensor(std::vector(own.begin(), own.end())));
  };
  for (const int64_t size : {1, 2, 7})
    in_processes(size, [&](Processes& processes) {
      EXPECT_TRUE(same_bits(shared_rows(processes, clips, rows_of), rows_of(clips))) << size;
    });
}

TEST(CopiesOfTheFirst, AreItsValuesAndNumbers) {
  in_processes(2, [](Processes& processes) {
    const Tensor values = at::empty({2, 3}).fill_(static_cast<double>(processes.rank()) + 5), turned = values.t();
    copy_first(processes, {turned});
    EXPECT_TRUE(same_bits(values, at::empty({2, 3}).fill_(5)));
    EXPECT_EQ(number_of_first(processes, -7 - processes.rank()), -7);
  });
}

}  // namespace
}  // namespace loralens
