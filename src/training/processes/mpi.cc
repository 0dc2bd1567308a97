// SPDX-License-Identifier: Apache-2.0
// Processes connected by MPI. Every operation is started without blocking and then waited for with pauses: MPI's own
// waits would take a core from LibTorch's threads.
#include <mpi.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>

#include "training/processes/processes.h"

// NOLINTBEGIN(bugprone-casting-through-void): OpenMPI's names of types and communicators are such casts.
namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t most_values = int64_t{1} << 24;  // in one operation of MPI, whose counts have 32 bits
constexpr int length_tag = 1, text_tag = 2;

void wait(MPI_Request request) {
  constexpr int tries_without_pause = 2000;  // about a millisecond
  for (int tries = 0;; ++tries) {
    int done = 0;
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done != 0) return;
    if (tries < tries_without_pause)
      ::sched_yield();
    else
      std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

MPI_Datatype type_of(const Tensor& values) {
  return values.scalar_type() == c10::ScalarType::Double ? MPI_DOUBLE : MPI_FLOAT;
}

class MpiProcesses : public Processes {
 public:
  MpiProcesses();
  ~MpiProcesses() override { MPI_Finalize(); }
  MpiProcesses(const MpiProcesses&) = delete;
  MpiProcesses& operator=(const MpiProcesses&) = delete;

  int64_t rank() const override { return rank_; }
  int64_t size() const override { return size_; }
  int64_t cores() const override { return cores_; }
  int64_t rank_on_host() const override { return rank_on_host_; }
  void sum(const Tensor& values) override;
  void copy_first(const Tensor& values) override { copy_first(values.mutable_data_ptr(), values.nbytes()); }
  std::string text_of_first(const std::string& text) override;
  std::vector<std::string> texts(const std::string& text) override;
  [[noreturn]] void abort(int status) override {
    MPI_Abort(MPI_COMM_WORLD, status);
    std::_Exit(status);
  }

 private:
  void share_host();
  void sum_at_once(const Tensor& values);
  static void copy_first(void* bytes, size_t count);

  int rank_ = 0, size_ = 1, rank_on_host_ = 0;
  int64_t cores_ = 0;
};

MpiProcesses::MpiProcesses() {
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
  share_host();
}

// Learns which processes are on this host. Its cores are those to which the launcher has bound any of them.
void MpiProcesses::share_host() {
  MPI_Comm host = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host);
  int processes = 1;
  MPI_Comm_size(host, &processes);
  MPI_Comm_rank(host, &rank_on_host_);
  cpu_set_t own, all;
  CPU_ZERO(&own);
  ::sched_getaffinity(0, sizeof own, &own);
  MPI_Allreduce(&own, &all, sizeof own, MPI_BYTE, MPI_BOR, host);
  MPI_Comm_free(&host);
  cores_ = std::max(1, std::min(CPU_COUNT(&own), CPU_COUNT(&all) / processes));
}

void MpiProcesses::sum(const Tensor& values) {
  const Tensor flat = values.view({-1});
  for (int64_t first = 0; first < flat.numel(); first += most_values)
    sum_at_once(flat.narrow(0, first, std::min(most_values, flat.numel() - first)));
}

// Each process adds up one slice, which the others send to it, and sends the sum to the others.
void MpiProcesses::sum_at_once(const Tensor& values) {
  const auto count = static_cast<int>(values.numel());
  std::vector<int> lengths(size_), starts(size_), received(size_), places(size_);
  for (int r = 0; r < size_; ++r) lengths[r] = count / size_ + (r < count % size_);
  std::exclusive_scan(lengths.begin(), lengths.end(), starts.begin(), 0);
  const int own = lengths[rank_];
  for (int r = 0; r < size_; ++r) {
    received[r] = own;
    places[r] = r * own;
  }
  const Tensor parts = values.new_empty({size_, own});
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Ialltoallv(values.const_data_ptr(), lengths.data(), starts.data(), type_of(values), parts.mutable_data_ptr(),
                 received.data(), places.data(), type_of(values), MPI_COMM_WORLD, &request);
  wait(request);
  const Tensor total = parts[0];
  for (int r = 1; r < size_; ++r) total.add_(parts[r]);
  MPI_Iallgatherv(total.const_data_ptr(), own, type_of(values), values.mutable_data_ptr(), lengths.data(),
                  starts.data(), type_of(values), MPI_COMM_WORLD, &request);
  wait(request);
}

void MpiProcesses::copy_first(void* bytes, size_t count) {
  constexpr size_t most = size_t{1} << 26;
  for (size_t first = 0; first < count; first += most) {
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Ibcast(static_cast<char*>(bytes) + first, static_cast<int>(std::min(most, count - first)), MPI_BYTE, 0,
               MPI_COMM_WORLD, &request);
    wait(request);
  }
}

std::string MpiProcesses::text_of_first(const std::string& text) {
  uint64_t length = text.size();
  copy_first(&length, sizeof length);
  std::string result = text;
  result.resize(length);
  copy_first(result.data(), length);
  return result;
}

std::vector<std::string> MpiProcesses::texts(const std::string& text) {
  MPI_Request request = MPI_REQUEST_NULL;
  if (!leads()) {
    const auto length = static_cast<int>(text.size());
    MPI_Isend(&length, 1, MPI_INT, 0, length_tag, MPI_COMM_WORLD, &request);
    wait(request);
    MPI_Isend(text.data(), length, MPI_CHAR, 0, text_tag, MPI_COMM_WORLD, &request);
    wait(request);
    return {};
  }
  std::vector<std::string> all = {text};
  for (int r = 1; r < size_; ++r) {
    int length = 0;
    MPI_Irecv(&length, 1, MPI_INT, r, length_tag, MPI_COMM_WORLD, &request);
    wait(request);
    std::string& other = all.emplace_back(length, '\0');
    MPI_Irecv(other.data(), length, MPI_CHAR, r, text_tag, MPI_COMM_WORLD, &request);
    wait(request);
  }
  return all;
}

}  // namespace

std::unique_ptr<Processes> connect_processes() { return std::make_unique<MpiProcesses>(); }

}  // namespace loralens
// NOLINTEND(bugprone-casting-through-void)
