// One HTTP request, by libcurl.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"

namespace loralens {

// The server cannot be reached, or the connection broke: worth another try.
struct Unreachable : Error {
  using Error::Error;
};

struct HttpReply {
  long status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string redirect;                        // where a 3xx points to, absolute; else empty

  std::string header(const std::string& name) const;  // "" if it is not there
};

struct HttpRequest {
  std::string url;
  bool head = false;        // ask for the headers only
  int64_t from = 0;         // first byte wanted of the body
  std::string token = {};  // sent as a bearer token; "" for none
  // Takes the body of a 2xx reply piece by piece; may throw, which ends the transfer.
  std::function<void(const HttpReply&, std::string_view)> body = [](const HttpReply&, std::string_view) {};
};

// Sends it. Redirects are not followed: whom to tell the token is the caller's decision. Any status is a reply;
// Unreachable, in whose message there is no secret, if there is none or it breaks off. A URL of https only, or also of http, as `url` itself begins.
HttpReply http_request(const HttpRequest& request);

// A URL for a message: without the user and password before '@', and without the query, which may be a signature.
std::string without_secrets(std::string_view url);

// Both URLs have the same scheme, host and port.
bool same_origin(const std::string& a, const std::string& b);

}  // namespace loralens
