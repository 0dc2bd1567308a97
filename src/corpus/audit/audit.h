// The audit of a table of clips and of its folds: what would make a score look better than it is, and what would make
// training worse.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "corpus/audit/recordings.h"
#include "corpus/folds/folds.h"

namespace loralens {

// The audit as docs/formats.md describes it ("audit.json"), without "table" and "scheme".
// folds: may be none. recordings: of all clips, from examine(), or none, where the audio is left out.
// Errors are what `train` refuses or cannot do: a speaker, identical or nearly identical audio in two parts of a fold,
// clips of unknown speakers, audio that cannot be read. Everything else is a remark.
nlohmann::json audit(const Clips& clips, const std::vector<Fold>& folds, const std::vector<Recording>& recordings);

// It as a page of text.
std::string describe_audit(const nlohmann::json& audit);

// Error if a clip cannot be read: how many there are, and why the first of them.
void check_readable(const std::vector<Recording>& recordings);

// "" if no recording is in two parts of a fold, whole, as an overlapping segment or changed a little; else one line
// that names the first such fold and its two clips. Error for a clip that cannot be read.
std::string audio_leak(const Clips& clips, const std::vector<Fold>& folds, const std::vector<Recording>& recordings);

}  // namespace loralens
