// SPDX-License-Identifier: Apache-2.0
// --speaker-pattern of readers that take a clip's speaker from its path.
#pragma once

#include <string>

#include "base/pattern.h"
#include "corpus/readers/readers.h"

namespace loralens {

// Finds the speaker in a clip's path: the one group of a regular expression.
class SpeakerPattern {
 public:
  // Error unless the pattern is a regular expression with one group.
  explicit SpeakerPattern(const std::string& pattern);

  // Error, which begins with `where`, if the pattern finds nothing in the path.
  std::string speaker_in(const std::string& path, const std::string& where) const;

 private:
  Pattern pattern_;
};

// The flag. searched: in which text the pattern is searched.
ReaderOption speaker_pattern_option(const std::string& searched);

}  // namespace loralens
