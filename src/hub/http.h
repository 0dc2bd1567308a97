// SPDX-License-Identifier: Apache-2.0
// HTTP requests (libcurl).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"

namespace loralens {

// The server cannot be reached, or the connection broke; the request may be retried.
struct Unreachable : Error {
  using Error::Error;
};

struct HttpReply {
  long status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string redirect;                        // absolute target URL of a 3xx reply; else empty

  std::string header(const std::string& name) const;  // "" if missing
};

struct HttpRequest {
  std::string url;
  bool head = false;        // request the headers only
  int64_t from = 0;         // first byte of the body to request
  std::string token = {};  // sent as a bearer token; "" for none
  // Receives the body of a 2xx reply in pieces; an exception ends the transfer.
  std::function<void(const HttpReply&, std::string_view)> body = [](const HttpReply&, std::string_view) {};
};

// Sends a request. Redirects are not followed, since the caller decides which servers receive the token. A reply of any
// status is returned. Unreachable, with a message free of secrets, if there is no reply or the connection breaks. An
// https URL is requested by https only.
HttpReply http_request(const HttpRequest& request);

// A URL for messages: without the user and password before '@', and without the query, which may contain a signature.
std::string without_secrets(std::string_view url);

// Whether a URL is https, or http to this machine (localhost, 127.0.0.0/8, ::1), so that others on the network cannot
// read the token that is sent to it.
bool is_private(const std::string& url);

// Whether both URLs have the same scheme, host and port. Error if one of them is no URL.
bool same_origin(const std::string& a, const std::string& b);

}  // namespace loralens
