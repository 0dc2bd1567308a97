// SPDX-License-Identifier: Apache-2.0
#include "classifier/tensor_source.h"

#include <ATen/ops/equal.h>

#include "base/error.h"
#include "base/formats/json.h"
#include "checkpoint/finite.h"

namespace loralens {

TensorSource::TensorSource(std::shared_ptr<const TensorFile> file, c10::ScalarType compute)
    : file_(std::move(file)), compute_(compute) {
  for (const std::string& name : file_->names()) in_file_.emplace(name, name);
}

TensorSource TensorSource::of_peft(std::shared_ptr<const TensorFile> file, c10::ScalarType compute) {
  TensorSource source(std::move(file), compute);
  PeftNames names = read_peft_names(source.file_->names(), source.path().string());
  for (const auto& [first, second] : names.copies)
    if (!at::equal(source.file_->read(first), source.file_->read(second)))
      fail("{}: {} and {} are the same tensor and hold different values", source.path().string(), quoted(first),
           quoted(second));
  source.prefix_ = peft_prefix;
  source.in_file_ = std::move(names.in_file);
  source.decoder_modules_ = names.decoder_modules;
  return source;
}

std::vector<std::string> TensorSource::names() const {
  std::vector<std::string> names;
  for (const auto& [name, in_file] : in_file_)
    names.push_back(name.starts_with(prefix_) ? name.substr(prefix_.size()) : name);
  return names;
}

void TensorSource::fill_whole(const std::string& name, const at::Tensor& target) {
  const auto found = shape_of(name);
  if (target.sizes() != found)
    fail("{}: {} has the shape [{}], [{}] was expected; is it for another model size?", path().string(), name,
         fmt::join(found, ", "), fmt::join(target.sizes(), ", "));
  target.detach().copy_(file_->read(in_file_.at(name)));
  for (const auto type : {target.scalar_type(), compute_})
    if (!all_finite(target.detach().to(type).cpu()))
      fail("{}: {} holds a number beyond the range of {}: choose --precision fp32, or train again", path().string(),
           name, c10::toString(type));
  used_.insert(name);
}

void TensorSource::expect_all_used() const {
  for (const auto& [name, in_file] : in_file_)
    if (!used_.contains(name))
      fail("{}: this model has no tensor {}{}", path().string(), quoted(in_file),
           name.find(".lora_") == std::string::npos
               ? ""
               : ": adapters are read on the linear layers of the encoder's layers and of the head");
}

std::vector<int64_t> TensorSource::shape_of(const std::string& name) const {
  const auto found = in_file_.find(name);
  if (found == in_file_.end()) fail("{}: the tensor {} is missing", path().string(), name);
  return file_->shape(found->second);
}

}  // namespace loralens
