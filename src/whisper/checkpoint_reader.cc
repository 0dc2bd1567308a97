// SPDX-License-Identifier: Apache-2.0
#include "whisper/checkpoint_reader.h"

#include <ATen/ops/empty.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/formats/json.h"
#include "checkpoint/finite.h"

namespace loralens {
namespace {

// Whether a name in the file is that of a tensor whose name begins with `prefix`.
bool begins_with(std::string_view name, std::string_view prefix) {
  if (name.starts_with("model.")) name.remove_prefix(6);
  return name.starts_with(prefix);
}

}  // namespace

bool is_linear(std::string_view name) {
  return name.find("_attn.") != std::string_view::npos || name.find(".fc") != std::string_view::npos;
}

c10::ScalarType kept_type(std::string_view name, Precision precision) {
  return is_linear(name) ? precision.compute : precision.sums;
}

bool CheckpointReader::has_any(std::string_view prefix) const {
  return std::ranges::any_of(checkpoint_.names(), [&](const auto& name) { return begins_with(name, prefix); });
}

at::Tensor CheckpointReader::read(const std::string& name, const std::vector<int64_t>& shape, c10::ScalarType type,
                                  const std::function<void(const at::Tensor&)>& see) {
  constexpr int64_t piece = 1 << 18;
  const std::string file_name = checkpoint_.contains("model." + name) ? "model." + name : name;
  if (!checkpoint_.contains(file_name))
    fail("{}: the tensor {} is missing; is this a whole Whisper checkpoint?", folder_.string(), name);
  if (checkpoint_.shape(file_name) != shape)
    fail("{}: {} has the shape [{}], config.json asks for [{}]", folder_.string(), file_name,
         fmt::join(checkpoint_.shape(file_name), ", "), fmt::join(shape, ", "));
  const at::Tensor tensor = at::empty(shape, type), flat = tensor.view({-1});
  for (int64_t first = 0; first < flat.numel(); first += piece) {
    const at::Tensor values = checkpoint_.read(file_name, first, std::min(piece, flat.numel() - first));
    if (!values.is_floating_point()) fail("{}: {} holds no floating-point numbers", folder_.string(), file_name);
    see(values);
    const at::Tensor part = flat.narrow(0, first, values.numel());
    part.copy_(values);
    if (!all_finite(part))
      fail("{}: {} holds a number beyond the range of {}: choose --precision fp32, or another checkpoint",
           folder_.string(), file_name, c10::toString(type));
  }
  used_.insert(file_name);
  return tensor;
}

void CheckpointReader::expect_all_used(std::string_view prefix) const {
  for (const std::string& name : checkpoint_.names())
    if (begins_with(name, prefix) && !used_.contains(name))
      fail("{}: the {} that config.json describes has no tensor {}", folder_.string(),
           prefix.substr(0, prefix.find('.')), quoted(name));
}

}  // namespace loralens
