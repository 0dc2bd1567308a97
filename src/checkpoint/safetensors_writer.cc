// The writer of safetensors files.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "checkpoint/binary_file.h"
#include "checkpoint/element_types.h"
#include "checkpoint/safetensors.h"

namespace loralens {
namespace {

// A new file under a temporary name; gone again unless finish() gives it its own.
class NewFile {
 public:
  explicit NewFile(const Path& path) : path_(path), temporary_(path) {
    temporary_ += ".partial";
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file_ < 0) give_up(errno);
  }
  ~NewFile() {
    if (file_ < 0) return;
    ::close(file_);
    ::unlink(temporary_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(const void* bytes, uint64_t count) {
    auto* from = static_cast<const char*>(bytes);
    while (count > 0) {
      const ssize_t n = ::write(file_, from, std::min<uint64_t>(count, 1 << 30));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) give_up(n < 0 ? errno : ENOSPC);
      from += n;
      count -= static_cast<uint64_t>(n);
    }
  }

  void finish() {
    if (::fsync(file_) != 0 && errno != EINVAL && errno != ENOTSUP) give_up(errno);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) give_up(errno);
    ::close(std::exchange(file_, -1));
  }

 private:
  [[noreturn]] void give_up(int error) { fail("cannot write {}: {}", path_.string(), std::strerror(error)); }

  Path path_, temporary_;
  int file_;
};

using Named = std::pair<const std::string, PendingTensor>;

// Wider element types first, then by name: no tensor starts where its type must not.
std::vector<const Named*> file_order(const std::map<std::string, PendingTensor>& tensors) {
  std::vector<const Named*> order;
  for (const auto& named : tensors) order.push_back(&named);
  std::stable_sort(order.begin(), order.end(), [](const Named* a, const Named* b) {
    return c10::elementSize(a->second.type) > c10::elementSize(b->second.type);
  });
  return order;
}

std::string header_of(const std::vector<const Named*>& order, const std::map<std::string, std::string>& metadata,
                      const Path& path) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t position = 0;
  for (const Named* named : order) {
    const auto& [name, tensor] = *named;
    if (name == "__metadata__") fail("{}: no tensor can have the name __metadata__", path.string());
    const std::string_view type = element_name(tensor.type);
    if (type.empty())
      fail("{}: tensor {}: safetensors has no element type {}", path.string(), quoted(name),
           c10::toString(tensor.type));
    uint64_t bytes = c10::elementSize(tensor.type);
    for (const int64_t size : tensor.shape) bytes *= static_cast<uint64_t>(size);
    header[name] = {{"dtype", type}, {"shape", tensor.shape}, {"data_offsets", {position, position + bytes}}};
    position += bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace

void write_safetensors(const Path& path, const std::map<std::string, PendingTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const auto order = file_order(tensors);
  const std::string header = header_of(order, metadata, path);
  NewFile file(path);
  const uint64_t length = header.size();
  file.write(&length, sizeof length);
  file.write(header.data(), header.size());
  for (const Named* named : order) {
    const auto& [name, pending] = *named;
    const at::Tensor tensor = pending.make().to(at::kCPU).contiguous();
    TORCH_INTERNAL_ASSERT(tensor.scalar_type() == pending.type && tensor.sizes() == pending.shape, name);
    file.write(tensor.const_data_ptr(), tensor.nbytes());
  }
  file.finish();
}

void write_safetensors(const Path& path, const Tensors& tensors, const std::map<std::string, std::string>& metadata) {
  std::map<std::string, PendingTensor> pending;
  for (const auto& [name, tensor] : tensors)
    pending.emplace(name, PendingTensor{tensor.scalar_type(), tensor.sizes().vec(), [&tensor] { return tensor; }});
  write_safetensors(path, pending, metadata);
}

}  // namespace loralens
