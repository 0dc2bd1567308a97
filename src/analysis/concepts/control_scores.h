// SPDX-License-Identifier: Apache-2.0
// UARs of draws of a control or a null distribution. They count right answers by class, so that memory does not grow
// with the number of clips.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "analysis/analysis.h"

namespace loralens {

class ControlScores {
 public:
  explicit ControlScores(int64_t classes) : classes_(classes) {}

  // Adds one clip: its class and the classes that the m draws predict. m is the same for all clips.
  void add(int64_t fold, const RowKey& key, int64_t truth, std::span<const int64_t> predicted);
  // The UAR of each draw, m: of one fold's clips, or without a fold of all folds' clips together. Error for a key or
  // fold without clips.
  std::vector<double> uars(const RowKey& key, std::optional<int64_t> fold) const;
  // The mean over folds of each draw's UAR.
  std::vector<double> fold_means(const RowKey& key) const;

 private:
  struct Counts {
    std::vector<int64_t> clips;  // C
    std::vector<int64_t> right;  // m×C
  };
  int64_t classes_;
  std::map<RowKey, std::map<int64_t, Counts>> counts_;  // by fold
};

}  // namespace loralens
