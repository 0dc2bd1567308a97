// SPDX-License-Identifier: Apache-2.0
#include "hub/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <exception>
#include <memory>

namespace loralens {
namespace {

// The state of libcurl's callbacks.
struct Transfer {
  CURL* curl;
  const HttpRequest& request;
  HttpReply reply;
  std::exception_ptr error;
};

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

size_t take_header(char* bytes, size_t, size_t length, void* transfer) {
  auto& headers = static_cast<Transfer*>(transfer)->reply.headers;
  const std::string_view line(bytes, length);
  const auto colon = line.find(':');
  if (line.starts_with("HTTP/")) headers.clear();  // drops the headers of an interim reply
  if (colon == std::string_view::npos) return length;
  std::string name = trimmed(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  headers[name] = trimmed(line.substr(colon + 1));
  return length;
}

size_t take_body(char* bytes, size_t, size_t length, void* transfer) {
  auto& t = *static_cast<Transfer*>(transfer);
  try {
    curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &t.reply.status);
    if (t.reply.status / 100 == 2) t.request.body(t.reply, std::string_view(bytes, length));
    return length;
  } catch (...) {  // no exception may pass through C code
    t.error = std::current_exception();
    return CURL_WRITEFUNC_ERROR;
  }
}

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return "";
  std::string copy(text);
  curl_free(text);
  std::transform(copy.begin(), copy.end(), copy.begin(), [](unsigned char c) { return std::tolower(c); });
  return copy;
}

std::string origin_of(const std::string& text) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), curl_url_cleanup);
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK)
    fail("'{}' is no URL", without_secrets(text));
  return part_of(url.get(), CURLUPART_SCHEME) + "://" + part_of(url.get(), CURLUPART_HOST) + ":" +
         part_of(url.get(), CURLUPART_PORT);
}

// Removes passwords from libcurl's error text, which may quote the URL of a proxy.
std::string without_passwords(std::string text) {
  for (auto at = text.find('@'); at != std::string::npos; at = text.find('@', at)) {
    const auto before = text.find_last_of(" \t'\"", at);
    const size_t start = before == std::string::npos ? 0 : before + 1;
    text.erase(start, at + 1 - start);
    at = start;
  }
  return text;
}

}  // namespace

std::string without_secrets(std::string_view url) {
  const auto query = std::min(url.find_first_of("?#"), url.size());
  const auto scheme = url.find("://"), user = url.rfind('@');
  const std::string start(url.substr(0, scheme < url.size() ? scheme + 3 : 0));
  if (user == std::string_view::npos) return std::string(url.substr(0, query));
  if (user > query) return start + "...";  // either '@' in a query or '?' in a password: drop everything
  return start + std::string(url.substr(user + 1, query - user - 1));
}

std::string HttpReply::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

HttpReply http_request(const HttpRequest& request) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
  if (started != CURLE_OK || !curl) fail("libcurl cannot be started");
  Transfer transfer{curl.get(), request, {}, nullptr};
  const auto set = [&](CURLoption option, auto value) { curl_easy_setopt(curl.get(), option, value); };

  curl_slist* lines = curl_slist_append(nullptr, "Accept-Encoding: identity");  // exact sizes and ranges
  if (!request.token.empty()) lines = curl_slist_append(lines, ("Authorization: Bearer " + request.token).c_str());
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> owner(lines, curl_slist_free_all);
  char message[CURL_ERROR_SIZE] = "";
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, request.url.starts_with("https:") ? "https" : "http,https");
  set(CURLOPT_HTTPHEADER, lines);
  set(CURLOPT_USERAGENT, "loralens/" LORALENS_VERSION);
  set(CURLOPT_NOBODY, request.head ? 1L : 0L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_CONNECTTIMEOUT, 20L);
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, 60L);  // 60 s without data: the connection is broken
  set(CURLOPT_HEADERFUNCTION, take_header);
  set(CURLOPT_HEADERDATA, &transfer);
  set(CURLOPT_WRITEFUNCTION, take_body);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_ERRORBUFFER, message);
  const std::string range = std::to_string(request.from) + "-";
  if (request.from > 0) set(CURLOPT_RANGE, range.c_str());

  const CURLcode code = curl_easy_perform(curl.get());
  if (transfer.error) std::rethrow_exception(transfer.error);
  if (code != CURLE_OK)
    throw Unreachable(fmt::format("{}: {}", without_secrets(request.url),
                                  without_passwords(*message ? message : curl_easy_strerror(code))));
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &transfer.reply.status);
  char* redirect = nullptr;
  curl_easy_getinfo(curl.get(), CURLINFO_REDIRECT_URL, &redirect);
  if (redirect) transfer.reply.redirect = redirect;
  return std::move(transfer.reply);
}

bool is_private(const std::string& text) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), curl_url_cleanup);
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) return false;
  if (part_of(url.get(), CURLUPART_SCHEME) == "https") return true;
  const std::string host = part_of(url.get(), CURLUPART_HOST);
  if (part_of(url.get(), CURLUPART_SCHEME) != "http") return false;
  const bool numbers = host.find_first_not_of("0123456789.") == std::string::npos;
  return host == "localhost" || host == "[::1]" || (numbers && host.starts_with("127."));
}

bool same_origin(const std::string& a, const std::string& b) { return origin_of(a) == origin_of(b); }

}  // namespace loralens
