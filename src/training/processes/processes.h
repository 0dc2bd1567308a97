// SPDX-License-Identifier: Apache-2.0
// The processes that train one model together: sums, copies and texts between them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace loralens {

// All processes of a training call these functions in the same order. Tensors are contiguous and on the CPU.
class Processes {
 public:
  virtual ~Processes() = default;

  virtual int64_t rank() const = 0;  // 0..size()-1; process 0 writes all files
  virtual int64_t size() const = 0;
  bool leads() const { return rank() == 0; }
  // The cores that this process can use if the processes of its host share all theirs; 0: no other process is there.
  virtual int64_t cores() const = 0;
  virtual int64_t rank_on_host() const = 0;  // from 0

  // Sets `values` (float or double) to their sum over the processes, added in the order of their ranks, so that all
  // processes have the same bits in every run.
  virtual void sum(const at::Tensor& values) = 0;
  // Sets `values` to those of process 0.
  virtual void copy_first(const at::Tensor& values) = 0;
  // Returns the text of process 0.
  virtual std::string text_of_first(const std::string& text) = 0;
  // Returns the texts of all processes, by rank, in process 0; nothing in the others.
  virtual std::vector<std::string> texts(const std::string& text) = 0;
  // Ends all processes with this exit status, without waiting for them.
  [[noreturn]] virtual void abort(int status) = 0;
};

// A training in one process, for which all functions leave everything as it is.
Processes& one_process();

// The processes that a launcher (mpirun, srun) has started, connected by MPI; the destructor disconnects them. Call it
// once. Error if the program was built without MPI.
std::unique_ptr<Processes> connect_processes();

}  // namespace loralens
