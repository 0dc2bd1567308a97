// SPDX-License-Identifier: Apache-2.0
// The HTTP protocol of the Hugging Face hub.
#include "hub/remote.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/error.h"
#include "base/formats/json.h"
#include "base/progress.h"
#include "hub/cache_layout.h"

namespace loralens {
namespace {

constexpr int tries = 4;
constexpr int most_redirects = 5;
constexpr uint64_t longest_token = 10'000;  // bytes of its file
constexpr size_t largest_listing = 64 << 20;  // bytes of the JSON list of a model's files

std::string environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

// An ETag without the weak mark W/ and quotes.
std::string bare_tag(std::string tag) {
  if (tag.starts_with("W/")) tag.erase(0, 2);
  std::erase(tag, '"');
  return tag;
}

// The user's token, and in `source` where it comes from; "" if there is none.
std::string token_of_user(std::string& source) {
  source = "HF_TOKEN";
  std::string token = environment("HF_TOKEN", "");
  if (token.empty()) {
    const auto home = hugging_face_home();
    const Path file = environment("HF_TOKEN_PATH", home ? (*home / "token").c_str() : "");
    std::error_code ignored;
    if (file.empty() || !std::filesystem::exists(file, ignored)) return "";
    source = file.string();
    token = read_file(file, longest_token);
  }
  const auto is_space = [](unsigned char c) { return std::isspace(c) != 0; };
  while (!token.empty() && is_space(token.back())) token.pop_back();
  while (!token.empty() && is_space(token.front())) token.erase(0, 1);
  return token;
}

// Parses a number of bytes from a header; -1 if it is missing or malformed.
int64_t bytes_in(const std::string& text) {
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos) return -1;
  return std::stoll(text);
}

}  // namespace

RemoteModel::RemoteModel(const std::string& id, double first_wait_seconds)
    : repository_(split_revision(id).first),
      revision_(split_revision(id).second),
      endpoint_(environment("HF_ENDPOINT", "https://huggingface.co")),
      first_wait_seconds_(first_wait_seconds) {
  if (revision_.empty()) revision_ = "main";
  while (endpoint_.ends_with('/')) endpoint_.pop_back();
  if (!endpoint_.starts_with("https://") && !endpoint_.starts_with("http://"))
    fail("HF_ENDPOINT is '{}': it must begin with https:// or http://", without_secrets(endpoint_));
  std::string source;
  token_ = token_of_user(source);
  const auto printable = [](char c) { return c > ' ' && c < 127; };
  if (!std::all_of(token_.begin(), token_.end(), printable))
    fail("{} holds a space, a line break or a control character within: it must be the token alone", source);
  if (!token_.empty() && !is_private(endpoint_)) {
    log_line(
        fmt::format("the token of {} is not sent to {}, which is not encrypted", source, without_secrets(endpoint_)));
    token_.clear();
  }
  list();
}

std::string RemoteModel::url_of(const std::string& file) const {
  return endpoint_ + "/" + repository_ + "/resolve/" + commit_ + "/" + file;
}

void RemoteModel::list() {
  const std::string url = endpoint_ + "/api/models/" + repository_ + "/revision/" + revision_;
  std::string text;
  with_retries([&] {
    text.clear();
    send({.url = url, .body = [&](const HttpReply&, std::string_view bytes) {
            if (text.size() + bytes.size() > largest_listing) fail("{}: the reply is too long", without_secrets(url));
            text += bytes;
          }});
  });
  const auto root = parse_json(text, without_secrets(url) + " (is HF_ENDPOINT a Hugging Face hub?)");
  const auto sha = root.is_object() ? root.find("sha") : root.end();
  if (sha == root.end() || !sha->is_string() || !is_commit(sha->get<std::string>()))
    fail("{}: the answer names no commit; is HF_ENDPOINT a Hugging Face hub?", without_secrets(url));
  commit_ = sha->get<std::string>();
  if (const auto siblings = root.find("siblings"); siblings != root.end())
    for (const auto& sibling : *siblings)
      if (sibling.is_object() && sibling.contains("rfilename") && sibling["rfilename"].is_string())
        files_.insert(sibling["rfilename"].get<std::string>());
}

void RemoteModel::with_retries(const std::function<void()>& attempt) const {
  double wait = first_wait_seconds_;
  for (int left = tries - 1;; --left, wait *= 2) {
    try {
      return attempt();
    } catch (const Unreachable& error) {
      if (left == 0) throw;
      log_line(fmt::format("{}; trying again in {}", error.what(), duration_text(wait)));
      std::this_thread::sleep_for(std::chrono::duration<double>(wait));
    }
  }
}

HttpReply RemoteModel::send(HttpRequest request) const {
  for (int left = most_redirects; left >= 0; --left) {
    request.token = same_origin(request.url, endpoint_) ? token_ : "";
    HttpReply reply = http_request(request);
    if (reply.redirect.empty()) {
      check_status(reply, request.url);
      return reply;
    }
    // The redirect of the hub already has the ETag and size of a large file; the storage server may not give them.
    if (request.head && !reply.header("x-linked-etag").empty()) return reply;
    if (endpoint_.starts_with("https:") && !reply.redirect.starts_with("https:"))
      fail("{} redirects from https to an unencrypted address, which is not followed", without_secrets(request.url));
    request.url = reply.redirect;
  }
  fail("{}: more than {} redirects", without_secrets(request.url), most_redirects);
}

void RemoteModel::check_status(const HttpReply& reply, const std::string& address) const {
  const std::string url = without_secrets(address);
  if (reply.status / 100 == 2) return;
  if (reply.status == 401 || reply.status == 403)
    fail(
        "{} (HTTP {}): {} does not exist, or is private or gated: check the name, or accept its terms at {}/{} and "
        "set HF_TOKEN to a token that may read it (or log in with 'hf auth login')",
        url, reply.status, repository_, without_secrets(endpoint_), repository_);
  if (reply.status == 404) fail("{} (HTTP 404): there is no such model or file: check the name {}", url, repository_);
  if (reply.status >= 500 || reply.status == 429) throw Unreachable(fmt::format("{} (HTTP {})", url, reply.status));
  fail("{}: unexpected answer (HTTP {})", url, reply.status);
}

RemoteFile RemoteModel::look_up(const std::string& file) const {
  HttpReply reply;
  with_retries([&] { reply = send({.url = url_of(file), .head = true}); });
  const std::string linked = bare_tag(reply.header("x-linked-etag"));
  RemoteFile found{file, linked.empty() ? bare_tag(reply.header("etag")) : linked, is_sha256(linked) ? linked : "", -1};
  found.size = bytes_in(reply.header("x-linked-size"));
  if (found.size < 0 && reply.redirect.empty()) found.size = bytes_in(reply.header("content-length"));
  if (!is_plain_name(found.etag)) fail("{}: the hub gives no usable ETag for it", without_secrets(url_of(file)));
  return found;
}

void RemoteModel::download(const RemoteFile& file, PartialFile& part) const {
  const std::string url = without_secrets(url_of(file.name));
  const bool sized = file.size >= 0;
  if (!sized || part.size() > file.size) part.restart();  // nothing to resume from
  Progress progress(file.name, std::max<int64_t>(file.size >> 20, 1));
  const auto take = [&](const HttpReply& reply, std::string_view bytes, int64_t from, bool& first) {
    if (first && from > 0 && reply.status != 206) part.restart();  // the server ignored the range
    if (first && reply.status == 206 && !reply.header("content-range").starts_with(fmt::format("bytes {}-", from)))
      fail("{}: the server sends another range than requested", url);
    first = false;
    if (sized && part.size() + std::ssize(bytes) > file.size) {
      part.restart();
      fail("{}: the server sends more than the announced {} bytes; the part is deleted, fetch again", url, file.size);
    }
    part.append(bytes);
    progress.step(part.size() >> 20, "MiB");
  };
  with_retries([&] {
    if (!sized) part.restart();
    const int64_t from = part.size();
    if (sized && from == file.size) return;
    bool first = true;
    send({.url = url_of(file.name), .from = from, .body = [&](const HttpReply& reply, std::string_view bytes) {
            take(reply, bytes, from, first);
          }});
    if (sized && part.size() < file.size)
      throw Unreachable(fmt::format("{}: {} of {} bytes arrived", url, part.size(), file.size));
  });
  if (const std::string fault = fault_of(part.path(), file); !fault.empty()) {
    part.restart();
    fail("{}: the downloaded file {}: the part is deleted, fetch again", url, fault);
  }
}

}  // namespace loralens
