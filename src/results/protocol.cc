// SPDX-License-Identifier: Apache-2.0
#include "results/protocol.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace loralens {
namespace {

constexpr std::array protocols = {strict_protocol, paper_protocol};

}  // namespace

const Protocol& protocol_named(std::string_view name) {
  const auto found = std::ranges::find(protocols, name, &Protocol::name);
  if (found == protocols.end())
    fail("there is no protocol '{}': choose among {}", name, fmt::join(protocol_names(), ", "));
  return *found;
}

std::vector<std::string> protocol_names() {
  std::vector<std::string> names;
  for (const Protocol& protocol : protocols) names.emplace_back(protocol.name);
  return names;
}

}  // namespace loralens
