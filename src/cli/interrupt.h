// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace loralens {

// While it exists, SIGINT (Ctrl-C) and SIGTERM, unless they are ignored, print "loralens: <message>" to standard error
// and end the process. One at a time.
class InterruptMessage {
 public:
  explicit InterruptMessage(const std::string& message);
  ~InterruptMessage();
  InterruptMessage(const InterruptMessage&) = delete;
  InterruptMessage& operator=(const InterruptMessage&) = delete;
};

}  // namespace loralens
