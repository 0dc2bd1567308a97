// SPDX-License-Identifier: Apache-2.0
// Reads the tensors of a model's file by name, one at a time, and records which were used.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "adapter/peft_names.h"
#include "checkpoint/tensor_file.h"

namespace loralens {

class TensorSource {
 public:
  // A file with the names that this program writes. compute: the type to which passes round the tensors.
  TensorSource(std::shared_ptr<const TensorFile> file, c10::ScalarType compute);
  // An adapter of PEFT, by the names that PEFT writes today. Errors of read_peft_names().
  static TensorSource of_peft(std::shared_ptr<const TensorFile> file, c10::ScalarType compute);

  const Path& path() const { return file_->path(); }
  const std::string& prefix() const { return prefix_; }  // precedes the names of modules
  int64_t decoder_modules() const { return decoder_modules_; }  // PeftNames::decoder_modules

  // For names without the prefix. Error if there is no tensor of this name.
  bool contains(const std::string& name) const { return in_file_.contains(prefix_ + name); }
  std::vector<int64_t> shape(const std::string& name) const { return shape_of(prefix_ + name); }
  std::vector<std::string> names() const;  // without the prefix, sorted
  void fill(const std::string& name, const at::Tensor& target) { fill_whole(prefix_ + name, target); }

  // Reads the tensor of this full name into `target`, converted to target's type and device. Error for another shape,
  // and for a number that is not finite in target's type or in the type of the passes.
  void fill_whole(const std::string& name, const at::Tensor& target);

  // Counts a tensor as used, so that expect_all_used() accepts it. name: without the prefix; it may be missing.
  void ignore(const std::string& name) { used_.insert(prefix_ + name); }
  void expect_all_used() const;

 private:
  std::vector<int64_t> shape_of(const std::string& name) const;

  std::shared_ptr<const TensorFile> file_;
  c10::ScalarType compute_;
  std::string prefix_;
  std::map<std::string, std::string> in_file_;  // full name -> name in the file
  int64_t decoder_modules_ = 0;
  std::set<std::string> used_;
};

}  // namespace loralens
