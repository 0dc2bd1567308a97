// SPDX-License-Identifier: Apache-2.0
#include "training/processes/shared.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "base/device.h"
#include "base/range.h"

namespace loralens {

using at::Tensor;

void sum_gradients(Processes& processes, const std::vector<Parameter>& parameters) {
  if (processes.size() == 1) return;
  const at::NoGradGuard no_grad;
  std::vector<float> defined;
  std::vector<Tensor> flat(1);
  for (const Parameter& p : parameters) {
    const Tensor& gradient = p.tensor.grad();
    defined.push_back(gradient.defined() ? 1 : 0);
    flat.push_back((gradient.defined() ? gradient : at::zeros_like(p.tensor.detach())).reshape({-1}));
  }
  flat[0] = at::tensor(defined, flat[1].options());
  const Tensor all = at::cat(flat);
  const Tensor sums = all.cpu().contiguous();
  processes.sum(sums);
  const Tensor on_device = sums.to(all.device());
  int64_t at = std::ssize(parameters);
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Tensor& p = parameters[i].tensor;
    if (sums[static_cast<int64_t>(i)].item<double>() > 0)
      p.mutable_grad() = on_device.narrow(0, at, p.numel()).view(p.sizes()).to(p.scalar_type());
    at += p.numel();
  }
}

void copy_first(Processes& processes, const std::vector<Tensor>& tensors) {
  if (processes.size() == 1) return;
  const at::NoGradGuard no_grad;
  for (const Tensor& tensor : tensors) {
    const Tensor values = tensor.detach().cpu().contiguous();
    processes.copy_first(values);
    if (values.data_ptr() != tensor.data_ptr()) tensor.detach().copy_(values);
  }
}

int64_t number_of_first(Processes& processes, int64_t value) {
  return parse_number<int64_t>(processes.text_of_first(std::to_string(value))).value();
}

Tensor shared_rows(Processes& processes, std::span<const int64_t> clips,
                   const std::function<Tensor(std::span<const int64_t>)>& rows_of) {
  if (processes.size() == 1) return rows_of(clips);
  std::vector<int64_t> own, places;
  for (int64_t i = processes.rank(); i < std::ssize(clips); i += processes.size()) {
    own.push_back(clips[i]);
    places.push_back(i);
  }
  // Every process needs the rows' shape and type, also one without clips.
  const Tensor rows = rows_of(own.empty() ? clips.first(1) : std::span<const int64_t>(own));
  std::vector<int64_t> shape = rows.sizes().vec();
  shape[0] = std::ssize(clips);
  const Tensor all = at::zeros(shape, rows.options().device(c10::kCPU));
  if (!own.empty()) all.index_copy_(0, at::tensor(places), rows.cpu());
  processes.sum(all);
  return all.to(rows.device());
}

}  // namespace loralens
