// SPDX-License-Identifier: Apache-2.0
// Tests of the simulated GPU (gpu.cc): it must detect CPU access, mixed devices and synchronisations.
#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/machine.h"

namespace {

using at::Tensor;
using testing::HasSubstr;
using testing::ThrowsMessage;

const auto on_gpu = at::TensorOptions(c10::kCUDA);

TEST(Gpu, ComputesAndDifferentiatesAsTheProcessor) {
  const Tensor x = at::arange(6, on_gpu.dtype(c10::ScalarType::Float)).view({2, 3}).requires_grad_();
  const Tensor y = at::mm(x, x.t()).square().sum();
  EXPECT_TRUE(y.is_cuda());
  EXPECT_EQ(y.item<float>(), 25 + 2 * 196 + 2500);
  const Tensor gradient = torch::autograd::grad({y}, {x})[0];
  EXPECT_TRUE(gradient.is_cuda());
  const Tensor expected = 4 * at::mm(at::mm(x, x.t()), x);
  EXPECT_TRUE(gradient.cpu().equal(expected.detach().cpu()));
}

TEST(GpuDeathTest, ItsMemoryIsNotTheProcessors) {
  const Tensor x = at::ones({4}, on_gpu);
  EXPECT_DEATH(static_cast<void>(*static_cast<const volatile float*>(x.const_data_ptr())), "");
}

TEST(Gpu, RefusesTensorsOfTheProcessor) {
  const Tensor here = at::ones({2, 2}), there = here.to(c10::kCUDA);
  EXPECT_THAT([&] { at::mm(there, here); }, ThrowsMessage<c10::Error>(HasSubstr("on the same device")));
  EXPECT_THAT([&] { there.index_select(0, at::arange(1)); },
              ThrowsMessage<c10::Error>(HasSubstr("on the same device")));
  EXPECT_EQ((there + at::ones({})).cpu()[0][0].item<float>(), 2) << "a number may come from anywhere";
}

TEST(Gpu, MultipliesInFullPrecision) {
  at::Context& context = at::globalContext();
  EXPECT_TRUE(context.allowTF32CuDNN(at::Float32Op::CONV)) << "LibTorch's default";
  EXPECT_TRUE(loralens::compute_of({.device = "auto"}).device.is_cuda());
  EXPECT_FALSE(context.allowTF32CuDNN(at::Float32Op::CONV));
  EXPECT_FALSE(context.allowTF32CuBLAS());
  const auto disallow = at::CuBLASReductionOption::DisallowReducedPrecisionAllowSplitK;
  EXPECT_EQ(context.allowBF16ReductionCuBLAS(), disallow);
  EXPECT_EQ(context.allowFP16ReductionCuBLAS(), disallow);
}

TEST(Gpu, IsOneOfThoseThatAreThere) {
  EXPECT_EQ(loralens::compute_of({.device = "cuda:0"}).device.index(), 0);
  EXPECT_THAT([] { loralens::compute_of({.device = "cuda:1"}); }, ThrowsMessage<loralens::Error>(HasSubstr("cuda:0")));
}

TEST(Gpu, ComputesInHalfPrecision) {
  const auto compute = [](const std::string& precision) {
    return loralens::compute_of({.device = "cuda", .precision = precision}).precision.compute;
  };
  EXPECT_EQ(compute("auto"), c10::ScalarType::BFloat16);
  EXPECT_EQ(compute("fp16"), c10::ScalarType::Half);
  EXPECT_EQ(compute("fp32"), c10::ScalarType::Float);
}

// Runs in a process of its own, because the report is written at exit.
TEST(GpuDeathTest, CountsWhatWaits) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const std::string file = testing::TempDir() + "gpu-report.json";
  const auto work = [&] {
    setenv("LORALENS_GPU_REPORT", file.c_str(), 1);
    const Tensor here = at::ones({2, 2}), there = here.to(c10::kCUDA);      // not pinned
    const Tensor pinned = here.pin_memory().to(there.options(), /*non_blocking=*/true);  // no wait
    const Tensor sum = (there + pinned).cpu();                               // a copy
    there.sum().item<float>();                                               // a value
    exit(sum[0][0].item<float>() == 2 ? 0 : 1);
  };
  EXPECT_EXIT(work(), testing::ExitedWithCode(0), "");
  const auto report = nlohmann::json::parse(std::ifstream(file));
  EXPECT_EQ(report["waits"],
            nlohmann::json({{"copy from memory that is not pinned", 1}, {"copy to the processor", 1}, {"value", 1}}));
  EXPECT_EQ(report["operations"]["aten::add.out"], 1);
}

}  // namespace
