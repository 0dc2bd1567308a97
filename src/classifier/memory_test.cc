// SPDX-License-Identifier: Apache-2.0
// Memory use: of a base model, of models that share it, of reading files, and of activations kept for backward.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <set>

#include "base/test_folder.h"
#include "checkpoint/safetensors.h"
#include "classifier/test_model.h"
#include "whisper/test_memory.h"
#include "whisper/test_whisper.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

constexpr Precision in_bf16{c10::ScalarType::BFloat16, c10::ScalarType::Float};
const std::vector<std::string> three_classes = {"anger", "joy", "sadness"};

// Bytes of the tiny encoder: `linear` bytes for each value of the linear layers (weights D² and D F, and biases, which
// k_proj lacks), four for each other value.
constexpr int64_t bytes_of_tiny(int64_t linear) {
  const int64_t products = 3 * (4 * 16 * 16 + 2 * 16 * 32 + 3 * 16 + 32 + 16);
  const int64_t stem = 16 * 80 * 3 + 16 + 16 * 16 * 3 + 16 + 1500 * 16, norms = (3 * 2 + 1) * 2 * 16;
  return linear * products + 4 * (stem + norms);
}
constexpr int64_t largest_tensor = 1500 * 16 * 4;

int64_t bytes_of(const std::vector<Parameter>& tensors) {
  int64_t bytes = 0;
  for (const Parameter& p : tensors) bytes += static_cast<int64_t>(p.tensor.nbytes());
  return bytes;
}

TEST(Memory, OfABaseIsOneCopyInThePrecisionOfItsPasses) {
  const TestFolder folder;
  write_whisper(folder.path());
  for (const auto& [precision, expected] :
       {std::pair{in_bf16, bytes_of_tiny(2)}, std::pair{in_float, bytes_of_tiny(4)}}) {
    const AllocatedBytes bytes;
    const Base base = load_base(folder.path(), "tiny", precision, c10::kCPU);
    EXPECT_EQ(bytes.now(), expected);
    EXPECT_LE(bytes.most(), expected + 2 * largest_tensor) << "room for pieces of the file and for their digest";
  }
}

TEST(Memory, OfModelsIsWhatTheyTrain) {
  const TestFolder folder;
  write_whisper(folder.path());
  const Base base = load_base(folder.path(), "tiny", in_bf16, c10::kCPU);
  const AllocatedBytes bytes;
  for (const char* method : {"lora", "frozen", "full"}) {
    const int64_t before = bytes.now();
    std::vector<EmotionModel> folds;
    int64_t expected = 0;
    for (uint64_t seed = 0; seed < 3; ++seed) {
      folds.push_back(make_model(base, tiny_adapter(method), {}, three_classes, seed));
      expected += bytes_of(folds.back().parameters());
      if (method == std::string("full")) expected += largest_tensor;  // the position embeddings
    }
    EXPECT_EQ(bytes.now() - before, expected) << method;
  }
}

// A model's frozen tensors share memory with the base.
TEST(Memory, OfFrozenTensorsIsShared) {
  const Base base = tiny_base(in_bf16);
  for (const char* method : {"lora", "frozen"}) {
    const EmotionModel model = make_model(base, tiny_adapter(method), {}, three_classes, 1);
    std::set<const void*> own;
    visit_tensors(base.encoder, [&](const std::string&, const Tensor& tensor) { own.insert(tensor.const_data_ptr()); });
    visit_tensors(model.compute_encoder(), [&](const std::string& name, const Tensor& tensor) {
      EXPECT_TRUE(own.contains(tensor.const_data_ptr())) << method << " " << name;
    });
  }
}

TEST(Memory, OfASavedModelsFileIsATensorAtATime) {
  const TestFolder folder;
  const Base base = tiny_base(in_bf16);
  save_model(folder.path(), tiny_model(base, tiny_adapter("full")));
  const AllocatedBytes bytes;
  const EmotionModel model = load_model(folder.path(), base);
  EXPECT_EQ(bytes.now(), bytes_of(model.parameters()) + largest_tensor);
  EXPECT_LE(bytes.most(), bytes.now() + largest_tensor);
}

// For backward, a layer keeps these activations, in units of D values a position: both residuals (fp32) for the norms;
// q, k, v and the heads; 4 for the MLP's hidden layer before GELU; and the input of v's adapter after dropout. It does
// not keep inputs of frozen linear layers.
TEST(Memory, OfAPassIsWhatItsBackwardNeeds) {
  WhisperConfig config = tiny_config();
  config.width = 128;
  config.mlp_width = 512;
  Encoder encoder;
  encoder.config = config;
  visit_tensors(encoder, [&](const std::string& name, Tensor& tensor, std::vector<int64_t> shape) {
    tensor = random_tensor(shape, hash_of(name), 0.05).to(c10::ScalarType::Float);
  });
  AdapterOptions options = tiny_adapter("lora", 0.1);
  options.targets = {"v_proj"};
  constexpr int64_t positions = 256;
  Pass pass = pass_of({100, 156});
  pass.dropout = {true, 1, 0};
  for (const Precision precision : {in_bf16, in_float}) {
    const Base base = make_base(encoder, "wide", precision, c10::kCPU);
    const EmotionModel model = make_model(base, options, {}, three_classes, 1);
    const Tensor x = random_tensor({positions, 128}, 1).to(c10::ScalarType::Float).requires_grad_();
    const AllocatedBytes bytes;
    const auto kept = [&](int64_t layers) {
      const int64_t before = bytes.now();
      const Tensor out = run(base.encoder, model.adapted.adapters, x, {0, layers}, pass);
      return bytes.now() - before;
    };
    const auto values = static_cast<double>(kept(3) - kept(2)) / (positions * 128);
    const double of_products = 4 + 4 + 1, residuals = 2;  // values a position, in units of D
    const auto width = static_cast<double>(c10::elementSize(precision.compute));
    EXPECT_LE(values, 1.03 * (of_products * width + residuals * 4)) << width << " bytes a value";
  }
}

TEST(FullFineTuning, StartsFromUnroundedValuesOfItsOwn) {
  const TestFolder folder;
  write_whisper(folder.path());
  for (const Precision precision : {in_bf16, in_float}) {
    const Base base = load_base(folder.path(), "tiny", precision, c10::kCPU);
    const std::string rounded = sha256_of(base.encoder);
    const EmotionModel first = make_model(base, tiny_adapter("full"), {}, three_classes, 1);
    EXPECT_EQ(base.sha256, sha256_of(tiny_encoder()));
    EXPECT_TRUE(same_bits(first.adapted.encoder.layers[2].fc1.weight, tiny_encoder().layers[2].fc1.weight));
    for (const Parameter& p : first.parameters()) p.tensor.detach().add_(1);
    EXPECT_EQ(sha256_of(base.encoder), rounded) << "the base must not change";
    const EmotionModel second = make_model(base, tiny_adapter("full"), {}, three_classes, 1);
    EXPECT_EQ(sha256_of(second.adapted.encoder), base.sha256);
  }
}

TEST(FullFineTuning, OfAFolderThatHasChangedIsRefused) {
  const TestFolder folder;
  write_whisper(folder.path());
  const Base base = load_base(folder.path(), "tiny", in_bf16, c10::kCPU);
  write_whisper(folder.path(), 2);
  EXPECT_EQ(error_of([&] { make_model(base, tiny_adapter("lora"), {}, three_classes, 1); }), "");
  EXPECT_THAT(error_of([&] { make_model(base, tiny_adapter("full"), {}, three_classes, 1); }),
              HasSubstr("holds other weights than when it was first read"));
}

}  // namespace
}  // namespace loralens
