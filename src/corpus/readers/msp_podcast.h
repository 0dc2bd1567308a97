// SPDX-License-Identifier: Apache-2.0
// The letters of MSP-Podcast's labels.
#pragma once

#include <string>

namespace loralens {

// The word for a letter of the column EmoClass: "A" is anger, "X" is no-agreement; "" for any other text.
std::string msp_podcast_label(const std::string& letter);

}  // namespace loralens
