// SPDX-License-Identifier: Apache-2.0
#include "compute/attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "base/tensor_memory.h"
#include "compute/kernel_tensors.h"
#include "compute/threads.h"

namespace loralens {
namespace {

using at::Tensor;

// Attention of one head in one segment.
struct Task {
  int64_t row, positions, head;
};

// Longest segments first, which balances the load of the threads.
std::vector<Task> tasks_of(std::span<const int64_t> lengths, int64_t heads) {
  std::vector<Task> tasks;
  int64_t row = 0;
  for (const int64_t positions : lengths) {
    for (int64_t head = 0; head < heads; ++head) tasks.push_back({row, positions, head});
    row += positions;
  }
  std::stable_sort(tasks.begin(), tasks.end(), [](const Task& a, const Task& b) { return a.positions > b.positions; });
  return tasks;
}

template <typename Kernel>
void for_each_head(std::span<const int64_t> lengths, int64_t heads, size_t scratch, const Kernel& kernel) {
  const auto tasks = tasks_of(lengths, heads);
  const auto threads = static_cast<size_t>(std::max(1, at::get_num_threads()));
  std::vector<c10::DataPtr> memory(std::min(threads, tasks.size()));
  for (auto& piece : memory) piece = tensor_memory().allocate(scratch);
  std::atomic<size_t> next = 0;
  share_among_threads(std::ssize(memory), 1, [&](int64_t thread, int64_t end) {
    for (; thread < end; ++thread)
      for (size_t i; (i = next++) < tasks.size();) kernel(tasks[i], memory[static_cast<size_t>(thread)].get());
  });
}

template <typename T>
void forward(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads, std::span<const int64_t> lengths,
             const Tensor& out, const Tensor& log_sums) {
  const Kernels<T>& kernel = *kernels<T>();
  const int64_t stride = q.size(1), longest = *std::ranges::max_element(lengths);
  const T *qs = data_of<T>(q), *ks = data_of<T>(k), *vs = data_of<T>(v);
  T* outs = data_of<T>(out);
  float* sums = data_of<float>(log_sums);
  const int64_t rows = q.size(0);
  for_each_head(lengths, heads, kernel.attention_scratch(longest), [&](const Task& task, void* scratch) {
    const int64_t at = task.row * stride + task.head * head_width;
    kernel.attention({task.positions, stride}, qs + at, ks + at, vs + at, outs + at, sums + task.head * rows + task.row,
                     scratch);
  });
}

template <typename T>
void backward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out, const Tensor& d_out,
              const Tensor& log_sums, int64_t heads, std::span<const int64_t> lengths, const Tensor& d_q,
              const Tensor& d_k, const Tensor& d_v) {
  const Kernels<T>& kernel = *kernels<T>();
  const int64_t stride = q.size(1), rows = q.size(0), longest = *std::ranges::max_element(lengths);
  const T *qs = data_of<T>(q), *ks = data_of<T>(k), *vs = data_of<T>(v), *outs = data_of<T>(out),
          *d_outs = data_of<T>(d_out);
  T *d_qs = data_of<T>(d_q), *d_ks = data_of<T>(d_k), *d_vs = data_of<T>(d_v);
  const float* sums = data_of<float>(log_sums);
  for_each_head(lengths, heads, kernel.attention_backward_scratch(longest), [&](const Task& task, void* scratch) {
    const int64_t at = task.row * stride + task.head * head_width;
    kernel.attention_backward({task.positions, stride}, qs + at, ks + at, vs + at, outs + at, d_outs + at,
                              sums + task.head * rows + task.row, d_qs ? d_qs + at : nullptr,
                              d_ks ? d_ks + at : nullptr, d_vs + at, scratch);
  });
}

class Kernel : public torch::autograd::Function<Kernel> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v,
                        int64_t heads, std::vector<int64_t> lengths) {
    const Tensor out = at::empty_like(q),
                 log_sums = at::empty({heads, q.size(0)}, q.options().dtype(c10::ScalarType::Float));
    of_type(q.scalar_type(),
            [&](auto element) { loralens::forward<decltype(element)>(q, k, v, heads, lengths, out, log_sums); });
    context->save_for_backward({q, k, v, out, log_sums});
    context->saved_data["heads"] = heads;
    context->saved_data["lengths"] = std::move(lengths);
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor d_out = gradients[0].contiguous();
    // If only v_proj of the lowest adapted layer is trained, the gradients of q and k are not needed.
    const bool at_v_alone = !context->needs_input_grad(0) && !context->needs_input_grad(1);
    const Tensor d_q = at_v_alone ? Tensor() : at::empty_like(saved[0]),
                 d_k = at_v_alone ? Tensor() : at::empty_like(saved[0]);
    const Tensor d_v = at::empty_like(saved[0]);
    const int64_t heads = context->saved_data["heads"].toInt();
    const auto lengths = context->saved_data["lengths"].toIntVector();
    of_type(d_v.scalar_type(), [&](auto element) {
      loralens::backward<decltype(element)>(saved[0], saved[1], saved[2], saved[3], d_out, saved[4], heads, lengths,
                                            d_q, d_k, d_v);
    });
    return {d_q, d_k, d_v, Tensor(), Tensor()};
  }
};

bool kernel_takes(const Tensor& q, int64_t heads) {
  return has_kernels(q, q.scalar_type()) && q.size(1) == heads * head_width;
}

// LibTorch's attention for n segments of T positions each. q, k, v: (n·T)×D.
Tensor fused(const Tensor& q, const Tensor& k, const Tensor& v, int64_t n, int64_t heads) {
  const auto split = [&](const Tensor& x) { return x.view({n, -1, heads, x.size(1) / heads}).transpose(1, 2); };
  const Tensor out = at::scaled_dot_product_attention(split(q), split(k), split(v));  // n×H×T×K
  return out.transpose(1, 2).reshape({q.size(0), q.size(1)});
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads, std::span<const int64_t> lengths) {
  if (kernel_takes(q, heads))
    return Kernel::apply(q.contiguous(), k.contiguous(), v.contiguous(), heads,
                         std::vector<int64_t>(lengths.begin(), lengths.end()));
  std::vector<int64_t> rows, counts;  // total rows and number of segments of each run of equally long segments
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (i > 0 && lengths[i] == lengths[i - 1]) {
      rows.back() += lengths[i];
      ++counts.back();
    } else {
      rows.push_back(lengths[i]);
      counts.push_back(1);
    }
  }
  if (rows.size() == 1) return fused(q, k, v, counts[0], heads);
  const auto qs = q.split_with_sizes(rows), ks = k.split_with_sizes(rows), vs = v.split_with_sizes(rows);
  std::vector<Tensor> outputs;
  for (size_t g = 0; g < rows.size(); ++g) outputs.push_back(fused(qs[g], ks[g], vs[g], counts[g], heads));
  return at::cat(outputs);
}

}  // namespace loralens
