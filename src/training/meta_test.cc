// A whole training step on the device `meta`, whose tensors have shapes but no values: reading a value back, which on
// a GPU would wait for it, and mixing devices both throw there.
#include <ATen/ops/empty_like.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <torch/library.h>

#include "classifier/test_model.h"
#include "training/optimiser.h"
#include "training/position_dropout.h"

namespace loralens {
namespace {

using at::Tensor;
using MaybeTensor = std::optional<Tensor>;

// LibTorch knows the shapes of these only in Python.
std::tuple<Tensor, Tensor, Tensor> layer_norm(const Tensor& x, at::IntArrayRef shape, const MaybeTensor&,
                                              const MaybeTensor&, double) {
  std::vector<int64_t> rows = x.sizes().vec();
  for (size_t i = 0; i < shape.size(); ++i) rows[rows.size() - 1 - i] = 1;
  return {at::empty_like(x), at::empty(rows, x.options()), at::empty(rows, x.options())};
}

std::tuple<Tensor, Tensor, Tensor> layer_norm_backward(const Tensor&, const Tensor& x, at::IntArrayRef, const Tensor&,
                                                       const Tensor&, const MaybeTensor& weight,
                                                       const MaybeTensor& bias, std::array<bool, 3> wanted) {
  return {wanted[0] ? at::empty_like(x) : Tensor(), wanted[1] ? at::empty_like(*weight) : Tensor(),
          wanted[2] ? at::empty_like(*bias) : Tensor()};
}

Tensor index_select(const Tensor& x, int64_t dimension, const Tensor& index) {
  if (x.device() != index.device()) throw std::invalid_argument("the index is on another device");
  std::vector<int64_t> shape = x.sizes().vec();
  shape[static_cast<size_t>(dimension)] = index.numel();
  return at::empty(shape, x.options());
}

Tensor shift(const Tensor& x, const at::Scalar&) { return at::empty_like(x); }

Tensor softmax(const Tensor& x, int64_t, std::optional<at::ScalarType>) { return at::empty_like(x); }

void adamw(at::TensorList values, at::TensorList gradients, at::TensorList first, at::TensorList second, at::TensorList,
           at::TensorList steps, double, double, double, double, double, bool, bool, const MaybeTensor&,
           const MaybeTensor&) {
  for (const at::TensorList list : {values, gradients, first, second, steps})
    for (const Tensor& tensor : list)
      if (!tensor.is_meta()) throw std::invalid_argument("part of the optimiser is on another device");
}

TORCH_LIBRARY_IMPL(aten, Meta, library) {
  library.impl("native_layer_norm", layer_norm);
  library.impl("native_layer_norm_backward", layer_norm_backward);
  library.impl("index_select", index_select);
  library.impl("__rshift__.Scalar", shift);
  library.impl("_safe_softmax", softmax);
  library.impl("_fused_adamw_", adamw);
}

class MetaStep : public testing::TestWithParam<std::string> {};

TEST_P(MetaStep, WaitsForNoDevice) {
  for (const auto compute : {c10::ScalarType::Float, c10::ScalarType::BFloat16})
    for (const bool weighted : {false, true}) {
      const Base base = make_base(tiny_encoder(), "tiny", {compute, c10::ScalarType::Float}, c10::kMeta);
      const EmotionModel model = make_model(base, tiny_adapter(GetParam(), 0.1), {8, weighted}, {"a", "b", "c"}, 42);
      const auto options = base.encoder.norm.weight.options();
      const Encoder encoder = model.compute_encoder();
      Batch batch;
      batch.x = at::empty({46, 16}, options);  // what the stem gives; LibTorch has no convolution on meta
      batch.pass = pass_of({20, 3, 23});
      batch.pass.segments = {2, 1};
      batch = drop_positions(batch, 0.5, 42, 1);
      batch.pass.dropout = {true, 42, 1};
      const Tensor labels = at::tensor(std::vector<int64_t>{2, 0}).to(c10::kMeta);
      const Tensor out = logits(model.head, head_states(model, encoder, batch.x, 0, batch.pass), batch.pass);
      EXPECT_EQ(out.sizes(), (std::vector<int64_t>{2, 3}));
      cross_entropy(out, labels, {{1.0, 2.0, 0.5}, 0.1}).backward();
      for (const auto& [name, tensor] : model.trained()) {
        EXPECT_TRUE(tensor.is_meta()) << name;
        EXPECT_TRUE(tensor.grad().defined() || name.find("conv") != std::string::npos) << name;
      }
      AdamW optimiser(model.trained(), tensors_of(model.head).size(), {.weight_decay = 0.1, .clip_norm = 1});
      const GradientNorms norms = optimiser.step(0.5);
      EXPECT_TRUE(norms.head.is_meta());
      EXPECT_THROW(norms.head.item<double>(), std::exception) << "the device does notice what waits";
    }
}

INSTANTIATE_TEST_SUITE_P(Methods, MetaStep, testing::Values("lora", "full", "frozen"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace loralens
