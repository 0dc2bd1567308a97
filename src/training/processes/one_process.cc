// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "training/processes/processes.h"

namespace loralens {
namespace {

class OneProcess : public Processes {
 public:
  int64_t rank() const override { return 0; }
  int64_t size() const override { return 1; }
  int64_t cores() const override { return 0; }
  int64_t rank_on_host() const override { return 0; }
  void sum(const at::Tensor&) override {}
  void copy_first(const at::Tensor&) override {}
  std::string text_of_first(const std::string& text) override { return text; }
  std::vector<std::string> texts(const std::string& text) override { return {text}; }
  [[noreturn]] void abort(int status) override { std::_Exit(status); }
};

}  // namespace

Processes& one_process() {
  static OneProcess process;
  return process;
}

}  // namespace loralens
