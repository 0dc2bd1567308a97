// SPDX-License-Identifier: Apache-2.0
#include "classifier/int8_base.h"

#include "base/test_folder.h"
#include "classifier/test_model.h"
#include "whisper/test_memory.h"
#include "whisper/test_whisper.h"

namespace loralens {
namespace {

using at::Tensor;
constexpr Precision in_bf16{c10::ScalarType::BFloat16, c10::ScalarType::Float};

// A base of the tiny encoder, with weights in int8.
Base rounded_base(Precision precision, Int8Weights weights) {
  const TestFolder folder;
  return load_int8_base(write_whisper(folder.path()), "tiny", precision, c10::kCPU, weights);
}
Base plain_base() {
  const TestFolder folder;
  return load_base(write_whisper(folder.path()), "tiny", {}, c10::kCPU);
}

class Int8Base : public testing::TestWithParam<std::string> {};

TEST_P(Int8Base, GivesTheLogitsAndGradientsOfItsRoundedValues) {
  for (const Precision precision : {Precision{}, in_bf16}) {
    std::vector<Tensor> logits, gradients;
    for (const Int8Weights weights : {Int8Weights::stored, Int8Weights::rounded}) {
      const Base base = rounded_base(precision, weights);
      EXPECT_EQ(base.encoder.layers[1].fc2.weight.scalar_type() == c10::ScalarType::Char,
                weights == Int8Weights::stored);
      const EmotionModel model = tiny_model(base, tiny_adapter(GetParam()));
      for (const bool recompute : {false, true}) {
        Pass pass = pass_of({21});
        pass.recompute = recompute;
        for (const Parameter& p : model.parameters()) p.tensor.mutable_grad() = Tensor();
        const Tensor out = logits_of(model, random_tensor({21, 16}, 1).to(c10::ScalarType::Float), pass);
        out.square().sum().backward();
        logits.push_back(out.detach());
        gradients.push_back(model.adapted.parameters.front().tensor.grad());
      }
    }
    for (size_t i = 1; i < logits.size(); ++i) {
      EXPECT_TRUE(same_bits(logits[i], logits[0]));
      ASSERT_EQ(gradients[i].defined(), gradients[0].defined());
      if (gradients[0].defined()) {
        EXPECT_TRUE(same_bits(gradients[i], gradients[0]));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, Int8Base, testing::Values("lora", "pissa", "dora", "vera", "ia3", "houlsby"),
                         [](const auto& info) { return info.param; });

TEST(Int8Bases, RoundTheSameValuesInAnyPrecision) {
  const Base exact = rounded_base({}, Int8Weights::rounded), half = rounded_base(in_bf16, Int8Weights::rounded);
  for (const Module module : linear_modules) {
    const Tensor& weight = exact.encoder.linear(2, module).weight;
    EXPECT_TRUE(same_bits(weight.to(c10::ScalarType::BFloat16), half.encoder.linear(2, module).weight));
    const Tensor before = plain_base().encoder.linear(2, module).weight;
    EXPECT_FALSE(same_bits(weight, before));
    EXPECT_LT(difference(weight, before), 0.005);
  }
  EXPECT_TRUE(same_bits(exact.encoder.conv2.weight, plain_base().encoder.conv2.weight));
}

TEST(Int8Bases, NeedAByteForEachWeight) {
  const TestFolder folder;
  const Path model = write_whisper(folder.path());
  const auto bytes_of = [&](auto load) {
    const AllocatedBytes bytes;
    const Base base = load();
    return bytes.now();
  };
  const int64_t in_two = bytes_of([&] { return load_base(model, "tiny", in_bf16, c10::kCPU); });
  const int64_t in_one =
      bytes_of([&] { return load_int8_base(model, "tiny", in_bf16, c10::kCPU, Int8Weights::stored); });
  const int64_t weights = 3 * (4 * 16 * 16 + 2 * 16 * 32), rows = 3 * (4 * 16 + 32 + 16);
  EXPECT_EQ(in_two - in_one, weights - 4 * rows);
}

TEST(Int8Bases, BelongToTheModelsThatWereTrainedOnThem) {
  const Base plain = plain_base(), rounded = rounded_base({}, Int8Weights::rounded),
             stored = rounded_base({}, Int8Weights::stored);
  const TestFolder folder;  // made after the bases, whose test folders had the same name
  save_model(folder.path(), tiny_model(stored, tiny_adapter("lora")));
  EXPECT_NO_THROW(load_model(folder.path(), rounded));
  EXPECT_NE(error_of([&] { load_model(folder.path(), plain); }).find("trained with --base-precision int8"),
            std::string::npos);
  save_model(folder.path(), tiny_model(plain, tiny_adapter("lora")));
  EXPECT_NE(error_of([&] { load_model(folder.path(), rounded); }).find("trained without --base-precision int8"),
            std::string::npos);
  std::filesystem::remove(folder.path() / "config.json");
  EXPECT_NO_THROW(load_model(folder.path(), rounded)) << "a bare PEFT folder records no base weights";
}

}  // namespace
}  // namespace loralens
