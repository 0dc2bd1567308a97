// SPDX-License-Identifier: Apache-2.0
// --profile: time of each phase of a command, and the rate of its matrix products relative to the machine's peak.
#pragma once

#include <c10/core/Device.h>

#include "base/files.h"
#include "whisper/encoder.h"

namespace loralens {

// Operations per second of large matrix products in this type: the best of several runs. Takes half a second.
double matmul_peak(c10::ScalarType type, c10::Device device);

// Measures the peak and begins the profile. file: the JSON file to write; empty: print a table on standard error. Error
// if the file cannot be written, or exists and is not a profile.
void begin_profile(const Path& file, Precision precision, c10::Device device);

// Prints or writes the profile, if one was begun.
void end_profile();

}  // namespace loralens
