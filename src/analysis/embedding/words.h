// SPDX-License-Identifier: Apache-2.0
// What the `embedding` analysis makes of its numbers: keys, sentences and figures.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "analysis/analysis.h"

namespace loralens {

// A space that clips lie in: A x of the adapter, or the residual stream behind the layer.
struct EmbeddingSpace {
  Role role;
  Module module;  // of the adapter; none: the residual stream
  int64_t layer;
  auto operator<=>(const EmbeddingSpace&) const = default;

  bool is_adapter() const { return module != Module::none; }
  // "A x" or "the residual stream"
  std::string text() const { return is_adapter() ? "A x" : "the residual stream"; }
  RowKey key(const std::string& metric) const;
};

// One fold's clips in the plane of t-SNE.
struct EmbeddingPicture {
  int64_t fold = 0;
  std::vector<int64_t> clips;                   // n
  std::map<EmbeddingSpace, at::Tensor> planes;  // n×2
};

// Where emotions separate best, and what is left of the speaker. module: whose A x was measured; may be none.
std::vector<std::string> embedding_reading(const Setting& setting, Module module, const std::vector<Row>& rows);
// Arrays, scatter plots, and the place of each clip in the last layer's picture of the adapted model: of the residual
// stream, in paper of A x.
void add_pictures(const Setting& setting, const EmbeddingPicture& picture, Findings& findings);
// Curves over layers of the findings' rows.
void add_curves(const Setting& setting, Findings& findings);

}  // namespace loralens
