// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/speaker_pattern.h"

#include "base/error.h"

namespace loralens {

SpeakerPattern::SpeakerPattern(const std::string& pattern) : pattern_(pattern) {
  if (pattern_.groups() != 1) fail("'{}' needs one group in parentheses, which is the speaker", pattern);
}

std::string SpeakerPattern::speaker_in(const std::string& path, const std::string& where) const {
  const auto found = pattern_.search(path);
  if (!found || (*found)[1].empty())
    fail("{}: the speaker pattern finds nothing in '{}': widen it, or leave the file out", where, path);
  return (*found)[1];
}

ReaderOption speaker_pattern_option(const std::string& searched) {
  return {"--speaker-pattern",
          fmt::format("regular expression to be found in {} whose group is the speaker, such as '/(\\d+)_'", searched),
          &ReaderOptions::speaker_pattern,
          [](const std::string& pattern) { return error_of([&] { SpeakerPattern checked(pattern); }); }};
}

}  // namespace loralens
