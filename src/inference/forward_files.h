// SPDX-License-Identifier: Apache-2.0
// The forward pass of audio files: logits, values at sites, and values that replace those at sites.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "classifier/forward.h"
#include "classifier/model.h"

namespace loralens {

// Replaces the value of each file at a site.
struct SitePatch {
  Site site;
  // value: as in ForwardResult::values, a copy that may be changed. file: its place in ForwardRequest::files. Returns a
  // tensor of the same shape; it is converted to the type and device of the value.
  std::function<at::Tensor(const at::Tensor& value, int64_t file)> replace;
};

struct ForwardRequest {
  std::vector<std::string> files;  // paths, or ids of segments
  std::vector<Site> sites;  // whose values are kept
  std::vector<SitePatch> patches;  // act in this order, before the values are kept
  int64_t threads = 1;  // for decoding audio
};

struct ForwardResult {
  at::Tensor logits;  // B×C
  // For each of the request's sites the value of each file: T×width, where T are the positions of all windows of the
  // file; H×T×T for `pattern`; width for a site after pooling. They are views of the tensors of the pass.
  std::vector<std::vector<at::Tensor>> values;
};

// Runs the files through a network in batches of similar length, without gradients. Patches are called in the calling
// thread, once for each file and site. Error for a file that cannot be read, for a site that the pass does not visit
// (such as one inside an adapter that is not there), for a patch that changes the shape of a value, and for `pattern`
// of a file of several windows.
ForwardResult forward_files(const Network& network, const InputOptions& input, const ForwardRequest& request);

}  // namespace loralens
