// SPDX-License-Identifier: Apache-2.0
// Audit of a table of clips and its folds: finds leaks between training and test, which make scores too optimistic, and
// problems of the data that make training worse.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "corpus/audit/recordings.h"
#include "corpus/folds/folds.h"

namespace loralens {

// The audit as docs/formats.md describes it ("audit.json"), without "table" and "scheme".
// folds: may be empty. recordings: of all clips, from examine(); empty: the audio is not audited.
// Findings that `train` refuses have the severity error: a speaker or (nearly) identical audio in two parts of a fold,
// clips of unknown speakers, audio that cannot be read. All other findings are remarks.
nlohmann::json audit(const Clips& clips, const std::vector<Fold>& folds, const std::vector<Recording>& recordings);

// The audit as a page of text.
std::string describe_audit(const nlohmann::json& audit);

// Error if clips cannot be read (refuse_unreadable).
void check_readable(const std::vector<Recording>& recordings, const std::string& advice = "");

// Logs how many clips have no sound (soundless() in audio/decode.h), with the first of them.
void tell_of_soundless(const Clips& clips, const std::vector<Recording>& recordings);

// "" if no recording is in two parts of a fold, neither identical, nor as overlapping segments, nor nearly identical;
// else one line that names the first such fold and its two clips. Error for a clip that cannot be read.
std::string audio_leak(const Clips& clips, const std::vector<Fold>& folds, const std::vector<Recording>& recordings);

}  // namespace loralens
