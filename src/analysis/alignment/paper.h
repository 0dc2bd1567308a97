// SPDX-License-Identifier: Apache-2.0
// The alignment of arXiv 2509.08454 as its code computes it, defects included.
#pragma once

#include <memory>

#include "analysis/analysis.h"

namespace loralens {

// CKA of clips whose positions are flattened to one vector each, all clips at once, biased. Per adapted layer and
// module:
//   forward-trained     linear CKA of A x in the adapted model with A x in the untrained one
//   forward-untrained   RBF CKA of B A x in the adapted model with B A x in the untrained one
//   gradient-trained    RBF CKA of the gradients at B A x and at A x in the adapted model; gradient-untrained: likewise
// RBF kernels have gamma 1 / features; the gradients' CKA exists also as variant float32. A x and the gradients at B A
// x of both models and all clips are kept in a temporary file (40 clips, v_proj of base: 1.6 GB); memory holds 100
// positions of each clip.
std::unique_ptr<Analysis> make_paper_alignment(const Setting& setting);

}  // namespace loralens
