// SPDX-License-Identifier: Apache-2.0
// Row keys, report sentences and figures of the `embedding` analysis.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "analysis/analysis.h"

namespace loralens {

// A vector space of clip representations: A x of an adapter, or a layer's output (the residual stream).
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

// t-SNE coordinates of one fold's clips.
struct EmbeddingPicture {
  int64_t fold = 0;
  std::vector<int64_t> clips;                   // n
  std::map<EmbeddingSpace, at::Tensor> planes;  // n×2
};

// Sentences on where emotions separate best and how well speakers still separate. module: the one whose A x was
// measured; may be none.
std::vector<std::string> embedding_reading(const Setting& setting, Module module, const std::vector<Row>& rows);
// Adds arrays, scatter plots, and each clip's t-SNE coordinates in the last plotted layer of the adapted model. placed:
// the module whose A x gives these coordinates; none: the residual stream gives them.
void add_pictures(const Setting& setting, const EmbeddingPicture& picture, Module placed, Findings& findings);
// Adds figures with curves over layers of the findings' rows.
void add_curves(const Setting& setting, Findings& findings);

}  // namespace loralens
