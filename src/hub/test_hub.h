// SPDX-License-Identifier: Apache-2.0
// For tests: a fake Hugging Face hub on this machine, and a test fixture with its own environment variables.
#pragma once

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/progress.h"
#include "hub/hub.h"

namespace loralens {
namespace fs = std::filesystem;
using testing::HasSubstr;

inline const std::string commit(40, 'c');

struct Request {
  std::string method, path, head;  // head: all request lines
  // The first byte of the requested range.
  size_t from() const {
    const auto at = head.find("Range: bytes=");
    return at == std::string::npos ? 0 : std::stoul(head.substr(at + 13));
  }
};

// An HTTP server on 127.0.0.1 that answers one request per connection with the bytes that `answer` returns.
class Server {
 public:
  explicit Server(std::function<std::string(const Request&)> answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), length);
    ::listen(listener_, 8);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::vector<Request> requests() const {
    std::lock_guard lock(guard_);
    return requests_;
  }

 private:
  void serve() {
    for (int client; (client = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(client)) {
      Request request;
      char block[4096];
      while (request.head.find("\r\n\r\n") == std::string::npos) {
        const ssize_t n = ::read(client, block, sizeof block);
        if (n <= 0) break;
        request.head.append(block, static_cast<size_t>(n));
      }
      const auto space = request.head.find(' '), next = request.head.find(' ', space + 1);
      request.method = request.head.substr(0, space);
      request.path = request.head.substr(space + 1, next - space - 1);
      {
        std::lock_guard lock(guard_);
        requests_.push_back(request);
      }
      const std::string reply = answer_(request);
      for (size_t done = 0; done < reply.size();) {
        const ssize_t n = ::send(client, reply.data() + done, reply.size() - done, MSG_NOSIGNAL);
        if (n <= 0) break;
        done += static_cast<size_t>(n);
      }
    }
  }

  std::function<std::string(const Request&)> answer_;
  int listener_;
  int port_;
  mutable std::mutex guard_;
  std::vector<Request> requests_;
  std::thread thread_;
};

inline std::string reply(const std::string& status, const std::string& headers, const std::string& body,
                         size_t length) {
  return fmt::format("HTTP/1.1 {}\r\nConnection: close\r\nContent-Length: {}\r\n{}\r\n{}", status, length, headers,
                     body);
}

inline std::string sha256(const std::string& bytes) {
  Sha256 digest;
  digest.add(bytes);
  return digest.hex();
}

// A hub with one model, org/model, whose weights are on a separate storage server, as on the real hub.
struct FakeHub {
  std::map<std::string, std::string> files{{"config.json", "{}"}, {"tokenizer.json", "{\"a\":1}"}, {"readme.md", "no"}};
  std::string weights = std::string(200000, 'w'), announced = sha256(std::string(200000, 'w')), head = commit;
  std::string revision = "main";  // the only one
  size_t cut_after = 0;  // the storage cuts its first reply after so many bytes; 0: never
  std::string status;    // if not empty: the status of every answer of the hub
  bool honours_range = true;
  std::string location = "/blob", refusal;  // of the storage: path of the redirect; if not empty, its only status
  std::atomic<int> unavailable = 0;  // number of first requests answered with 503
  Server storage{[this](const Request& request) { return store(request); }};
  Server hub{[this](const Request& request) { return answer(request); }};

  std::string answer(const Request& request) {
    const auto send = [&](const std::string& headers, const std::string& body) {
      return reply("200 OK", headers, request.method == "HEAD" ? "" : body, body.size());
    };
    if (!status.empty()) return reply(status, "", "", 0);
    if (unavailable > 0 && unavailable-- > 0) return reply("503 Busy", "", "", 0);
    if (request.path == "/api/models/org/model/revision/" + revision) {
      std::string list;
      for (const auto& [name, text] : files) list += R"({"rfilename":")" + name + "\"},";
      if (!files.count("model.safetensors.index.json") && !files.count("adapter_config.json"))
        list += R"({"rfilename":"model.safetensors"},)";
      return send("", R"({"sha":")" + head + R"(","siblings":[)" + list + R"({"rfilename":"../../evil"}]})");
    }
    const std::string start = "/org/model/resolve/" + commit + "/";
    if (!request.path.starts_with(start)) return reply("404 Not Found", "", "", 0);
    const std::string name = request.path.substr(start.size());
    if (name == "model.safetensors")
      return reply("302 Found",
                   "Location: " + storage.url() + location + "\r\nX-Linked-Etag: \"" + announced +
                       "\"\r\nX-Linked-Size: " + std::to_string(weights.size()) + "\r\n",
                   "", 0);
    if (!files.count(name)) return reply("404 Not Found", "", "", 0);
    return send("ETag: W/\"tag-of-" + name + "\"\r\n", files.at(name));
  }

  std::string store(const Request& request) {
    if (!refusal.empty()) return reply(refusal, "", "", 0);
    const size_t from = honours_range ? request.from() : 0;
    const std::string rest = weights.substr(from);
    const size_t sent = cut_after ? std::exchange(cut_after, 0) : rest.size();
    const std::string range =
        fmt::format("Content-Range: bytes {}-{}/{}\r\n", from, weights.size() - 1, weights.size());
    return reply(from ? "206 Partial Content" : "200 OK", from ? range : "", rest.substr(0, sent), rest.size());
  }
};

class HubTest : public testing::Test {
 protected:
  HubTest() {
    set_quiet(true);
    std::string name = testing::TempDir() + "hub.XXXXXX";
    folder_ = mkdtemp(name.data());
    for (const char* variable : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "HF_ENDPOINT", "HF_TOKEN",
                                 "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "XDG_CACHE_HOME"})
      unset(variable);
    set("HOME", folder_.string());
    set("no_proxy", "127.0.0.1");
  }
  ~HubTest() override {
    for (const auto& [name, value] : saved_) value ? setenv(name.c_str(), value->c_str(), 1) : unsetenv(name.c_str());
    fs::remove_all(folder_);
    set_quiet(false);
  }

  void remember(const std::string& name) {
    const char* value = getenv(name.c_str());
    saved_.emplace(name, value ? std::optional<std::string>(value) : std::nullopt);
  }
  void set(const std::string& name, const std::string& value) {
    remember(name);
    setenv(name.c_str(), value.c_str(), 1);
  }
  void unset(const std::string& name) {
    remember(name);
    unsetenv(name.c_str());
  }

  Path put(const Path& path, const std::string& text) const {
    fs::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path, std::ios::binary) << text;
    return folder_ / path;
  }

  Path fetch(const FakeHub& hub, std::optional<Path> to = std::nullopt, bool force = false) {
    set("HF_ENDPOINT", hub.hub.url() + "/");
    return fetch_model("org/model", {.to = to, .force = force, .first_wait_seconds = 0.001});
  }
  std::string complaint(const std::function<void()>& work) const {
    try {
      work();
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      return error.what();
    }
    return "";
  }
  std::vector<std::string> everything() const {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_))
      if (!entry.is_directory()) files.push_back(entry.path().lexically_relative(folder_).string());
    std::sort(files.begin(), files.end());
    return files;
  }

  const Path model_ = ".cache/huggingface/hub/models--org--model";
  Path folder_;
  std::map<std::string, std::optional<std::string>> saved_;
};

}  // namespace loralens
