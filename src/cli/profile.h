// SPDX-License-Identifier: Apache-2.0
// --profile: where a command's time went, and how near its matrix products came to what the machine can do.
#pragma once

#include <c10/core/Device.h>

#include "base/files.h"
#include "whisper/encoder.h"

namespace loralens {

// Operations a second of large matrix products in this type: the best of several, after a warm-up. Takes half a second.
double matmul_peak(c10::ScalarType type, c10::Device device);

// Measures the peak and begins the profile. file: where its JSON goes; empty: a table on standard error. Error if the
// file cannot be written, or is there and holds no profile.
void begin_profile(const Path& file, Precision precision, c10::Device device);

// Prints or writes the profile, if one was begun.
void end_profile();

}  // namespace loralens
