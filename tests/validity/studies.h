// SPDX-License-Identifier: Apache-2.0
// The simulation studies of docs/validity.md.
#pragma once

#include "study.h"

namespace loralens::validity {

Study pooled_score_study();
Study paired_null_study();
Study paired_difference_study();
Study small_change_study();
Study weight_function_study();
Study update_null_study();

}  // namespace loralens::validity
