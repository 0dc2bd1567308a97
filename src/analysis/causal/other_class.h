// SPDX-License-Identifier: Apache-2.0
// A class for each clip that is not its own, so that one pass can compare own with other classes.
#pragma once

#include <cstdint>
#include <map>
#include <span>

namespace loralens {

// {clip: class}: the clips of a class, in ascending order, take the classes that follow it in turn, so that each is
// taken equally often. labels: of each clip of the table; classes >= 2.
std::map<int64_t, int64_t> other_classes(std::span<const int64_t> clips, std::span<const int64_t> labels,
                                         int64_t classes);

}  // namespace loralens
