// SPDX-License-Identifier: Apache-2.0
#include "analysis/causal/other_class.h"

#include <set>

namespace loralens {

std::map<int64_t, int64_t> other_classes(std::span<const int64_t> clips, std::span<const int64_t> labels,
                                         int64_t classes) {
  std::map<int64_t, int64_t> others, turn;
  for (const int64_t clip : std::set(clips.begin(), clips.end())) {
    const int64_t label = labels[clip];
    others[clip] = (label + 1 + turn[label]++ % (classes - 1)) % classes;
  }
  return others;
}

}  // namespace loralens
