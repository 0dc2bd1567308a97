// SPDX-License-Identifier: Apache-2.0
// Simulated GPU for tests on machines without one. Linked into the program, it is LibTorch's device `cuda`: CPU code
// can neither read nor write its memory, each operation accepts only tensors of that memory, and synchronisations
// (waits of the CPU for the GPU) are counted. Arithmetic runs on the CPU. It cannot test CUDA's own kernels, their
// speed, and races of asynchronous work.
// At exit the program writes JSON to the file $LORALENS_GPU_REPORT: `operations`, the number of calls of each operation
// on the device, and `waits`, the number of synchronisations by cause, including operations that synchronise by
// themselves on CUDA.
#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/native/transformers/attention.h>
#include <ATen/ops/_local_scalar_dense_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <sys/mman.h>
#include <torch/library.h>
#include <unistd.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

namespace at {

struct CUDAHooks : CUDAHooksInterface {
  explicit CUDAHooks(CUDAHooksArgs) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCUDA() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  bool supportsBFloat16ConvolutionWithCuDNNv8() const override { return true; }
  bool isPinnedPtr(const void* data) const override;
  Allocator* getPinnedMemoryAllocator() const override;
};

REGISTER_CUDA_HOOKS(CUDAHooks)

}  // namespace at

namespace {

using at::Tensor;
using Stack = torch::jit::Stack;

const c10::Device gpu(c10::kCUDA, 0);

class Report {
 public:
  ~Report() {
    if (const char* file = std::getenv("LORALENS_GPU_REPORT"))
      std::ofstream(file) << nlohmann::json{{"operations", operations_}, {"waits", waits_}}.dump(1) << "\n";
  }
  void operation(const std::string& name) { add(operations_, name); }
  void wait(const std::string& why) { add(waits_, why); }

 private:
  void add(std::map<std::string, int64_t>& counts, const std::string& name) {
    const std::lock_guard lock(mutex_);
    ++counts[name];
  }
  std::mutex mutex_;
  std::map<std::string, int64_t> operations_, waits_;
};

Report& report() {
  static Report report;
  return report;
}

// GPU memory, mapped twice: at addresses without access rights, which tensors hold, and at addresses where this file
// accesses the same bytes.
class GpuMemory : public c10::Allocator {
 public:
  GpuMemory() {
    const int file = memfd_create("gpu", 0);
    if (file < 0 || ftruncate(file, size) != 0) std::abort();
    untouchable_ = map(file, PROT_NONE);
    bytes_ = map(file, PROT_READ | PROT_WRITE);
    close(file);
  }
  c10::DataPtr allocate(size_t wanted) override {
    if (wanted == 0) return {nullptr, gpu};
    const size_t bytes = std::bit_ceil(std::max<size_t>(wanted, 512));
    const std::lock_guard lock(mutex_);
    auto& free = free_[bytes];
    char* address = nullptr;
    if (!free.empty()) {
      address = *free.begin();
      free.erase(free.begin());
    } else {
      TORCH_CHECK_WITH(OutOfMemoryError, used_ + bytes <= size, "CUDA out of memory");
      address = untouchable_ + used_;
      used_ += bytes;
    }
    sizes_[address] = bytes;
    std::memset(at(address), 0xff, wanted);  // NaN, so that reads of uninitialised memory show
    return {address, address, &release, gpu};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(at(to), at(from), bytes); }

  bool holds(const void* address) const { return address >= untouchable_ && address < untouchable_ + size; }
  bool holds_bytes(const void* address) const { return address >= bytes_ && address < bytes_ + size; }
  // The accessible address of the bytes at a GPU address.
  char* at(const void* address) const { return bytes_ + (static_cast<const char*>(address) - untouchable_); }

 private:
  static constexpr size_t size = size_t{1} << 36;
  static void release(void* address);
  static char* map(int file, int rights) {
    void* start = mmap(nullptr, size, rights, MAP_SHARED | MAP_NORESERVE, file, 0);
    if (start == MAP_FAILED) std::abort();
    return static_cast<char*>(start);
  }

  char *untouchable_, *bytes_;
  std::mutex mutex_;
  size_t used_ = 0;
  std::map<size_t, std::set<char*>> free_;  // by size
  std::map<char*, size_t> sizes_;
};

GpuMemory& memory() {
  static GpuMemory* const memory = new GpuMemory;  // LibTorch may free tensors after main
  return *memory;
}

void GpuMemory::release(void* address) {
  GpuMemory& all = memory();
  const std::lock_guard lock(all.mutex_);
  all.free_[all.sizes_.at(static_cast<char*>(address))].insert(static_cast<char*>(address));
}

// Pinned CPU memory, from which the GPU can copy without a synchronisation.
class PinnedMemory : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* data = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    const std::lock_guard lock(mutex_);
    ends_[static_cast<char*>(data)] = static_cast<char*>(data) + bytes;
    return {data, data, &release, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
  bool holds(const void* data) {
    const std::lock_guard lock(mutex_);
    auto after = ends_.upper_bound(static_cast<char*>(const_cast<void*>(data)));
    return after != ends_.begin() && data < std::prev(after)->second;
  }

 private:
  static void release(void* data);
  std::mutex mutex_;
  std::map<char*, char*> ends_;
};

PinnedMemory& pinned_memory() {
  static PinnedMemory* const memory = new PinnedMemory;
  return *memory;
}

void PinnedMemory::release(void* data) {
  const std::lock_guard lock(pinned_memory().mutex_);
  pinned_memory().ends_.erase(static_cast<char*>(data));
  std::free(data);
}

class Guard : public c10::impl::NoOpDeviceGuardImpl<c10::kCUDA> {
 public:
  c10::Device exchangeDevice(c10::Device) const override { return gpu; }
  c10::Device getDevice() const override { return gpu; }
  c10::Stream getStream(c10::Device) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, gpu); }
  void record(void**, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  void synchronizeEvent(void*) const override { report().wait("event"); }
  void synchronizeStream(const c10::Stream&) const override { report().wait("stream"); }
  void synchronizeDevice(c10::DeviceIndex) const override { report().wait("device"); }
};

C10_REGISTER_GUARD_IMPL(CUDA, Guard)

// A CPU tensor that shares the bytes of a GPU tensor.
Tensor seen(const Tensor& x) {
  const auto options = x.options().device(c10::kCPU).requires_grad(false);
  if (!x.has_storage() || !x.storage().data()) return at::empty_strided(x.sizes(), x.strides(), options);
  TORCH_INTERNAL_ASSERT(memory().holds(x.storage().data()));
  char* first = memory().at(x.storage().data()) + x.storage_offset() * static_cast<int64_t>(x.element_size());
  return at::from_blob(first, x.sizes(), x.strides(), options);
}

// A copy on the GPU of an operation's result.
Tensor moved(const Tensor& made) {
  if (!made.defined()) return made;
  TORCH_CHECK(made.numel() == 0 || !memory().holds_bytes(made.const_data_ptr()),
              "the test's GPU does not know this view");
  const Tensor own = at::empty_strided(made.sizes(), made.strides(), made.options().device(gpu));
  seen(own).copy_(made);
  return own;
}

// Operations that synchronise on CUDA, because the size of their result, or their success, depends on values.
bool waits_by_itself(const std::string& name) {
  static const std::set<std::string> names = {
      "nonzero",     "masked_select", "equal",       "_unique2",  "repeat_interleave",  "bincount",
      "linalg_eigh", "_linalg_eigh",  "_linalg_svd", "linalg_qr", "linalg_cholesky_ex", "linalg_inv_ex",
      "multinomial"};
  return names.contains(name);
}

// Runs any operation on the CPU, on the bytes of the GPU tensors.
void operate(const c10::OperatorHandle& operation, Stack* stack) {
  const auto& schema = operation.schema();
  const std::string name = schema.name().substr(schema.name().find("::") + 2);
  report().operation(c10::toString(operation.operator_name()));
  if (waits_by_itself(name)) report().wait(name);
  const size_t count = schema.arguments().size(), first = stack->size() - count;
  const std::vector<c10::IValue> given(stack->begin() + static_cast<int64_t>(first), stack->end());
  const auto translate = [&](const Tensor& x, bool number_allowed) {  // scalars on the CPU are allowed
    if (!x.defined()) return x;
    TORCH_CHECK(x.is_cuda() || (number_allowed && x.dim() == 0), schema.name(),
                ": Expected all tensors to be on the same device, but one of ", x.sizes(), " is on ", x.device());
    return x.is_cuda() ? seen(x) : x;
  };
  for (size_t i = 0; i < count; ++i) {
    c10::IValue& value = (*stack)[first + i];
    if (value.isTensor()) {
      value = translate(value.toTensor(), true);
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& x : value.toTensorVector()) list.push_back(translate(x, false));
      value = std::move(list);
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> list;
      for (const std::optional<Tensor>& x : value.toOptionalTensorList())
        list.push_back(x ? std::optional(translate(*x, false)) : x);
      value = std::move(list);
    } else if (value.isDevice()) {
      value = c10::Device(c10::kCPU);
    }
  }
  const std::vector<c10::IValue> used(stack->begin() + static_cast<int64_t>(first), stack->end());
  operation.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);

  // A resized output tensor gets new GPU memory.
  for (size_t i = 0; i < count; ++i) {
    const auto* alias = schema.arguments()[i].alias_info();
    if (!alias || !alias->isWrite() || !given[i].isTensor() || !given[i].toTensor().is_cuda()) continue;
    const Tensor &own = given[i].toTensor(), &result = used[i].toTensor();
    if (own.sizes() == result.sizes()) continue;
    const Tensor larger = moved(result);
    own.unsafeGetTensorImpl()->set_storage_keep_dtype(larger.storage());
    own.unsafeGetTensorImpl()->set_sizes_and_strides(larger.sizes(), larger.strides());
  }
  const size_t results = schema.returns().size(), first_result = stack->size() - results;
  for (size_t r = 0; r < results; ++r) {
    c10::IValue& value = (*stack)[first_result + r];
    const auto* alias = schema.returns()[r].alias_info();
    if (alias && alias->isWrite()) {
      for (size_t i = 0; i < count; ++i)
        if (schema.arguments()[i].alias_info() && *schema.arguments()[i].alias_info() == *alias) value = given[i];
    } else if (value.isTensor()) {
      value = moved(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& x : value.toTensorVector()) list.push_back(moved(x));
      value = std::move(list);
    }
  }
}

Tensor empty(at::IntArrayRef sizes, std::optional<at::ScalarType> type, std::optional<at::Layout>,
             std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(sizes, &memory(), c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                   type.value_or(at::ScalarType::Float), format);
}

Tensor empty_strided(at::IntArrayRef sizes, at::IntArrayRef strides, std::optional<at::ScalarType> type,
                     std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(sizes, strides, &memory(), c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                           type.value_or(at::ScalarType::Float));
}

Tensor& copy(Tensor& to, const Tensor& from, bool unwaited) {
  if (from.numel() == 0) return to;
  if (!to.is_cuda())
    report().wait("copy to the processor");
  else if (!from.is_cuda() && !(unwaited && from.is_pinned()))
    report().wait("copy from memory that is not pinned");
  (to.is_cuda() ? seen(to) : to).copy_(from.is_cuda() ? seen(from) : from);
  return to;
}

at::Scalar value_of(const Tensor& x) {
  report().wait("value");
  return at::native::_local_scalar_dense_cpu(seen(x));
}

int64_t plain_attention(const Tensor&, const Tensor&, const Tensor&, const std::optional<Tensor>&, double, bool,
                        std::optional<double>, bool) {
  return 0;  // sdp::SDPBackend::math
}

TORCH_LIBRARY_IMPL(_, CUDA, library) { library.fallback(torch::CppFunction::makeFromBoxedFunction<&operate>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("copy_", &copy);
  library.impl("_local_scalar_dense", &value_of);
  library.impl("as_strided", &at::native::as_strided_tensorimpl);
  library.impl("view", &at::native::view);
  library.impl("_reshape_alias", &at::native::_reshape_alias);
  at::native::_fused_sdp_choice_stub.set_cuda_dispatch_ptr(&plain_attention);
}

}  // namespace

namespace at {

bool CUDAHooks::isPinnedPtr(const void* data) const { return pinned_memory().holds(data); }
Allocator* CUDAHooks::getPinnedMemoryAllocator() const { return &pinned_memory(); }

}  // namespace at
