#include "hub/hub.h"

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

namespace loralens {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string commit(40, 'c');

struct Request {
  std::string method, path, head;  // head: all lines
  // The first byte asked for.
  size_t from() const {
    const auto at = head.find("Range: bytes=");
    return at == std::string::npos ? 0 : std::stoul(head.substr(at + 13));
  }
};

// An HTTP server on 127.0.0.1 that answers one request per connection with whatever bytes the test returns.
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

std::string reply(const std::string& status, const std::string& headers, const std::string& body, size_t length) {
  return fmt::format("HTTP/1.1 {}\r\nConnection: close\r\nContent-Length: {}\r\n{}\r\n{}", status, length, headers,
                     body);
}

std::string sha256(const std::string& bytes) {
  Sha256 digest;
  digest.add(bytes);
  return digest.hex();
}

// A hub with one model, org/model, whose weights lie on another server, as the real hub has it.
struct FakeHub {
  std::map<std::string, std::string> files{{"config.json", "{}"}, {"tokenizer.json", "{\"a\":1}"}, {"readme.md", "no"}};
  std::string weights = std::string(200000, 'w'), announced = sha256(std::string(200000, 'w')), head = commit;
  size_t cut_after = 0;  // the storage breaks off the first reply after so many bytes; 0: never
  std::string status;    // the hub's only answer, if not empty
  bool honours_range = true;
  std::string location = "/blob", refusal;  // of the storage: what the hub redirects to; its only answer, if not empty
  std::atomic<int> unavailable = 0;  // so many requests are answered with 503 first
  Server storage{[this](const Request& request) { return store(request); }};
  Server hub{[this](const Request& request) { return answer(request); }};

  std::string answer(const Request& request) {
    const auto send = [&](const std::string& headers, const std::string& body) {
      return reply("200 OK", headers, request.method == "HEAD" ? "" : body, body.size());
    };
    if (!status.empty()) return reply(status, "", "", 0);
    if (unavailable > 0 && unavailable-- > 0) return reply("503 Busy", "", "", 0);
    if (request.path == "/api/models/org/model/revision/main") {
      std::string list;
      for (const auto& [name, text] : files) list += R"({"rfilename":")" + name + "\"},";
      if (!files.count("model.safetensors.index.json")) list += R"({"rfilename":"model.safetensors"},)";
      return send("", R"({"sha":")" + head + R"(","siblings":[)" + list + R"({"rfilename":"../../evil"}]})");
    }
    const std::string start = "/org/model/resolve/" + commit + "/";
    if (!request.path.starts_with(start)) return reply("404 Not Found", "", "", 0);
    const std::string name = request.path.substr(start.size());
    if (name == "model.safetensors")
      return reply("302 Found", "Location: " + storage.url() + location + "\r\nX-Linked-Etag: \"" + announced +
                                    "\"\r\nX-Linked-Size: " + std::to_string(weights.size()) + "\r\n", "", 0);
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
    for (const char* variable :
         {"HF_HUB_CACHE", "HF_HOME", "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "XDG_CACHE_HOME"})
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

TEST_F(HubTest, NamesBecomeRepositories) {
  EXPECT_EQ(repository_of("base"), "openai/whisper-base");
  EXPECT_EQ(repository_of("tiny.en"), "openai/whisper-tiny.en");
  EXPECT_EQ(repository_of("large-v3-turbo"), "openai/whisper-large-v3-turbo");
  EXPECT_EQ(repository_of("org/name-1.0"), "org/name-1.0");
  for (const char* bad :
       {"huge", "large.en", "", "../name", "org/../name", "org/na me", "a/b/c", "org/", "/name", "a/.."})
    EXPECT_THROW(repository_of(bad), Error) << bad;
}

TEST_F(HubTest, FoldersComeBeforeCaches) {
  put("plain/config.json", "{}");
  EXPECT_EQ(resolve_model((folder_ / "plain").string()), folder_ / "plain");
  EXPECT_EQ(find_model("org/model"), std::nullopt);
  put(".cache/loralens/models/org--model/config.json", "{}");
  EXPECT_EQ(find_model("org/model"), std::nullopt);  // the weights are missing
  put(".cache/loralens/models/org--model/model.safetensors", "");
  EXPECT_EQ(find_model("org/model"), folder_ / ".cache/loralens/models/org--model");

  put(model_ / "refs/main", commit + "\n");
  const Path snapshot = model_ / "snapshots" / commit;
  put(snapshot / "config.json", "{}");
  put(snapshot / "model.safetensors.index.json", R"({"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}})");
  put(snapshot / "s1.safetensors", "");
  EXPECT_EQ(find_model("org/model"), folder_ / ".cache/loralens/models/org--model");  // a shard is missing
  put(snapshot / "s2.safetensors", "");
  EXPECT_EQ(find_model("org/model"), folder_ / snapshot);
  put(model_ / "refs/main", "../../../plain");
  EXPECT_EQ(find_model("org/model"), folder_ / ".cache/loralens/models/org--model");
}

TEST_F(HubTest, TheCacheIsWhereTheEnvironmentSays) {
  const auto model_in = [&](const Path& hub) {
    const Path model = hub / "models--openai--whisper-base";
    put(model / "refs/main", commit);
    put(model / "snapshots" / commit / "config.json", "{}");
    put(model / "snapshots" / commit / "model.safetensors", "");
    return folder_ / model / "snapshots" / commit;
  };
  const Path in_xdg = model_in("xdg/huggingface/hub"), in_home = model_in("home/hub"), in_cache = model_in("cache");
  EXPECT_EQ(find_model("base"), std::nullopt);
  set("XDG_CACHE_HOME", (folder_ / "xdg").string());
  EXPECT_EQ(find_model("base"), in_xdg);
  set("HF_HOME", (folder_ / "home").string());
  EXPECT_EQ(find_model("base"), in_home);
  set("HF_HUB_CACHE", (folder_ / "cache").string());
  EXPECT_EQ(find_model("base"), in_cache);
}

TEST_F(HubTest, WhatIsMissingSaysHowToGetIt) {
  fs::create_directories(folder_ / "empty");
  EXPECT_THAT(complaint([&] { resolve_model((folder_ / "empty").string()); }), HasSubstr("has no config.json"));
  EXPECT_THAT(complaint([&] { resolve_model((folder_ / "absent").string()); }), HasSubstr("there is no folder"));
  EXPECT_THAT(complaint([] { resolve_model("base"); }), HasSubstr("run 'loralens fetch base'"));
  EXPECT_THAT(complaint([] { resolve_model("bse"); }), HasSubstr("'bse' is no model: give one of tiny, tiny.en"));
}

TEST_F(HubTest, FetchesIntoTheSharedCache) {
  FakeHub hub;
  hub.unavailable = 2;
  const Path snapshot = fetch(hub);
  EXPECT_EQ(snapshot, folder_ / model_ / "snapshots" / commit);
  const Path blobs = model_ / "blobs", links = model_ / "snapshots" / commit;
  EXPECT_EQ(everything(), (std::vector<std::string>{blobs / hub.announced, blobs / "tag-of-config.json",
                                                    blobs / "tag-of-tokenizer.json", model_ / "refs/main",
                                                    links / "config.json", links / "model.safetensors",
                                                    links / "tokenizer.json"}));
  EXPECT_EQ(read_file(folder_ / model_ / "refs/main"), commit);
  EXPECT_EQ(fs::read_symlink(snapshot / "model.safetensors"), Path("../../blobs") / hub.announced);
  EXPECT_EQ(read_file(snapshot / "model.safetensors"), hub.weights);
  EXPECT_EQ(resolve_model("org/model"), snapshot);
  fetch(hub);
  EXPECT_EQ(hub.storage.requests().size(), 1u);  // what is there is not fetched again
}

TEST_F(HubTest, TheTokenGoesToTheHubOnly) {
  FakeHub hub;
  set("HF_TOKEN", "hf_secret");
  fetch(hub);
  for (const auto& request : hub.hub.requests())
    EXPECT_THAT(request.head, HasSubstr("Authorization: Bearer hf_secret"));
  ASSERT_EQ(hub.storage.requests().size(), 1u);
  EXPECT_EQ(hub.storage.requests()[0].head.find("hf_secret"), std::string::npos);
  set("HF_TOKEN", "a\r\nHost: b");
  EXPECT_THAT(complaint([&] { fetch(hub); }), HasSubstr("HF_TOKEN"));
}

TEST_F(HubTest, ABrokenConnectionIsContinued) {
  FakeHub hub;
  hub.cut_after = 70000;
  const Path to = folder_ / "to";
  EXPECT_EQ(fetch(hub, to), to);
  EXPECT_EQ(everything(), (std::vector<std::string>{"to/config.json", "to/model.safetensors", "to/tokenizer.json"}));
  EXPECT_EQ(read_file(to / "model.safetensors"), hub.weights);
  const auto requests = hub.storage.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[1].from(), 70000u);
  EXPECT_THAT(complaint([&] { fetch(hub, to); }), HasSubstr("--force"));
}

TEST_F(HubTest, APartOfAnEarlierRunIsContinued) {
  FakeHub hub;
  put("to/model.safetensors.incomplete", std::string(50000, 'w'));
  fetch(hub, folder_ / "to");
  EXPECT_EQ(read_file(folder_ / "to/model.safetensors"), hub.weights);
  EXPECT_EQ(hub.storage.requests().at(0).from(), 50000u);
}

TEST_F(HubTest, AServerWithoutRangesStartsOver) {
  FakeHub hub;
  hub.honours_range = false;
  put("to/model.safetensors.incomplete", std::string(50000, 'x'));
  fetch(hub, folder_ / "to");
  EXPECT_EQ(read_file(folder_ / "to/model.safetensors"), hub.weights);
}

TEST_F(HubTest, AUsersFilesAreNotReplacedUnasked) {
  for (const char* name : {"model.safetensors", "tokenizer.json"}) {
    FakeHub hub;
    put(std::string("to/") + name, "mine");
    put("to/thesis.txt", "mine");
    EXPECT_THAT(complaint([&] { fetch(hub, folder_ / "to"); }), HasSubstr("another file than the hub's"));
    EXPECT_EQ(read_file(folder_ / "to" / name), "mine");
    std::filesystem::remove(folder_ / "to" / name);
    fetch(hub, folder_ / "to");  // a part of an earlier try, or a whole file of it, is none
    std::filesystem::remove(folder_ / "to/config.json");
    fetch(hub, folder_ / "to");
    EXPECT_EQ(everything(), (std::vector<std::string>{"to/config.json", "to/model.safetensors", "to/thesis.txt",
                                                      "to/tokenizer.json"}));
    std::filesystem::remove_all(folder_ / "to");
  }
}

TEST_F(HubTest, AWrongHashLeavesNothingToUse) {
  FakeHub hub;
  hub.announced = std::string(64, 'a');
  EXPECT_THAT(complaint([&] { fetch(hub, folder_ / "to"); }), HasSubstr("the part is deleted"));
  EXPECT_EQ(everything(), (std::vector<std::string>{"to/tokenizer.json"}));
}

TEST_F(HubTest, AnswersOfRefusalSayWhatToDo) {
  FakeHub hub;
  hub.status = "401 Unauthorized";
  EXPECT_THAT(complaint([&] { fetch(hub); }), HasSubstr("HF_TOKEN"));
  hub.status = "404 Not Found";
  EXPECT_THAT(complaint([&] { fetch(hub); }), HasSubstr("check the name org/model"));
  hub.status = "503 Busy";
  EXPECT_THAT(complaint([&] { fetch(hub); }), HasSubstr("HTTP 503"));
  EXPECT_EQ(hub.hub.requests().size(), 1u + 1 + 4);
  hub.status = "302 Found\r\nLocation: /again";
  EXPECT_THAT(complaint([&] { fetch(hub); }), HasSubstr("redirects"));
  EXPECT_TRUE(everything().empty());
}

TEST_F(HubTest, HostileAnswersLeaveTheDiskAlone) {
  FakeHub hub;
  hub.head = "../../../../evil";
  EXPECT_THAT(complaint([&] { fetch(hub); }), HasSubstr("names no commit"));
  EXPECT_TRUE(everything().empty());
  hub.head = commit;
  hub.announced = "../../evil";
  EXPECT_THAT(complaint([&] { fetch(hub, folder_ / "to"); }), HasSubstr("no usable ETag"));
  hub.files["model.safetensors.index.json"] = R"({"weight_map":{"w":"../evil.safetensors"}})";
  EXPECT_THAT(complaint([&] { fetch(hub); }), HasSubstr("no plain file name"));
  hub.files["model.safetensors.index.json"] = R"({"weight_map":{"w":"/evil.safetensors"}})";
  EXPECT_THAT(complaint([&] { fetch(hub, folder_ / "to"); }), HasSubstr("no plain file name"));
  for (const auto& file : everything()) EXPECT_EQ(file.find("evil"), std::string::npos);
}

TEST_F(HubTest, ADamagedBlobIsFetchedAgain) {
  FakeHub hub;
  const Path snapshot = fetch(hub), blob = folder_ / model_ / "blobs" / hub.announced;
  std::string flipped = hub.weights;
  flipped[1000] ^= 1;
  for (const std::string& damaged : {std::string(71, 'w'), flipped, std::string()}) {
    put(model_ / "blobs" / hub.announced, damaged);
    EXPECT_EQ(fetch(hub), snapshot);
    EXPECT_EQ(read_file(blob), hub.weights);
  }
  EXPECT_EQ(hub.storage.requests().size(), 4u);
  put(model_ / "blobs/tag-of-config.json", "{}}");
  fetch(hub);
  EXPECT_EQ(read_file(snapshot / "config.json"), "{}");
  fetch(hub, std::nullopt, /*force=*/true);
  EXPECT_EQ(hub.storage.requests().size(), 5u);
  EXPECT_EQ(read_file(blob), hub.weights);
}

TEST_F(HubTest, ADamagedIndexIsFetchedAgain) {
  FakeHub hub;
  hub.files["model.safetensors.index.json"] = R"({"weight_map":{"a":"s1.safetensors"}})";
  hub.files["s1.safetensors"] = "one";
  const Path snapshot = fetch(hub);
  put(model_ / "blobs/tag-of-model.safetensors.index.json", "{");
  EXPECT_EQ(find_model("org/model"), std::nullopt);
  EXPECT_EQ(fetch(hub), snapshot);
  EXPECT_EQ(find_model("org/model"), snapshot);
}

TEST_F(HubTest, WhatIsHereIsCheckedWithoutTheHub) {
  FakeHub hub;
  const Path snapshot = fetch(hub);
  set("HF_HUB_OFFLINE", "1");
  EXPECT_EQ(fetch_model("org/model", {}), snapshot);
  put(model_ / "blobs" / hub.announced, hub.weights.substr(1) + "x");
  EXPECT_THAT(complaint([] { fetch_model("org/model", {}); }), HasSubstr("'loralens fetch org/model --force'"));
  put(model_ / "blobs" / hub.announced, "");
  EXPECT_THAT(complaint([] { fetch_model("org/model", {}); }), HasSubstr("model.safetensors is empty"));
}

// A hub that gives no checksum: shards here.
TEST_F(HubTest, WhatCannotBeAFileOfAModelIsRefused) {
  FakeHub hub;
  hub.files["model.safetensors.index.json"] = R"({"weight_map":{"a":"s1.safetensors"}})";
  for (const auto& [content, fault] : std::map<std::string, std::string>{
           {"", "is empty"}, {"\n<!DOCTYPE html><p>Sign in", "is a web page"}, {"<HTML>", "is a web page"}}) {
    hub.files["s1.safetensors"] = content;
    EXPECT_THAT(complaint([&] { fetch(hub, folder_ / "to"); }), HasSubstr("what arrived " + fault));
    EXPECT_FALSE(fs::exists(folder_ / "to/s1.safetensors"));
    EXPECT_FALSE(fs::exists(folder_ / "to/config.json"));
  }
  hub.files["s1.safetensors"] = "one";
  for (const char* content : {"", "{\"a\":", "<html></html>"}) {
    hub.files["config.json"] = content;
    EXPECT_THAT(complaint([&] { fetch(hub, folder_ / "to"); }), HasSubstr("what arrived is"));
    EXPECT_FALSE(fs::exists(folder_ / "to/config.json"));
  }
}

TEST_F(HubTest, LinksThatLeadElsewhereAreReplacedNotFollowed) {
  FakeHub hub;
  const Path snapshot = fetch(hub), outside = put("outside", "mine"), blobs = model_ / "blobs";
  const auto point = [&](const Path& link, const Path& target) {
    fs::remove(link);
    fs::create_symlink(target, link);
  };
  point(snapshot / "config.json", outside);
  point(snapshot / "tokenizer.json", "nowhere");
  point(folder_ / blobs / hub.announced, outside);
  fetch(hub);
  EXPECT_EQ(read_file(snapshot / "config.json"), "{}");
  EXPECT_EQ(read_file(snapshot / "tokenizer.json"), "{\"a\":1}");
  EXPECT_EQ(read_file(snapshot / "model.safetensors"), hub.weights);
  fs::remove(folder_ / blobs / "tag-of-config.json");
  fs::create_symlink(outside, folder_ / blobs / "tag-of-config.json.incomplete");
  EXPECT_THAT(complaint([&] { fetch(hub); }), HasSubstr("cannot write"));
  EXPECT_EQ(read_file(outside), "mine");
}

TEST_F(HubTest, AWholeCacheIsNotWritten) {
  FakeHub hub;
  fetch(hub);
  const Path main = folder_ / model_ / "refs/main";
  fs::last_write_time(main, fs::file_time_type::min());
  const auto before = fs::last_write_time(main);
  fetch(hub);
  EXPECT_EQ(fs::last_write_time(main), before);
}

TEST_F(HubTest, SecretsAreNotPrinted) {
  FakeHub hub;
  set("HF_TOKEN", "hf_SECRET");
  const std::string port = hub.hub.url().substr(std::string("http://127.0.0.1:").size());
  const auto complaint_at = [&](const std::string& endpoint) {
    set("HF_ENDPOINT", endpoint);
    return complaint([&] { fetch_model("org/model", {.first_wait_seconds = 0.001}); });
  };
  for (const std::string& endpoint :
       {"http://me:SECRET@127.0.0.1:" + port + "/x", std::string("http://me:SECRET@127.0.0.1:1"),
        std::string("ftp://me:SECRET@host"), std::string("me:SECRET@host"), "http://SECRET@127.0.0.1:" + port + "/x",
        "http://me:a/SECRET@127.0.0.1:" + port, "http://me:a?SECRET@127.0.0.1:" + port,
        "http://127.0.0.1:" + port + "/x?key=SECRET", std::string("http://me:SEC RET@host")}) {
    const std::string text = complaint_at(endpoint);
    EXPECT_NE(text, "") << endpoint;
    EXPECT_EQ(text.find("SEC"), std::string::npos) << text;
  }
  EXPECT_THAT(complaint_at("http://me:SECRET@127.0.0.1:" + port + "/x"),
              HasSubstr("http://127.0.0.1:" + port + "/x/api/models/org/model"));
  hub.location = "/blob?X-Amz-Signature=SECRET";
  for (const char* status : {"403 Forbidden", "404 Not Found", "503 Busy", "418 Teapot"}) {
    hub.refusal = status;
    const std::string text = complaint_at(hub.hub.url());
    EXPECT_THAT(text, testing::AnyOf(HasSubstr("/blob (HTTP"), HasSubstr("/blob: unexpected")));
    EXPECT_EQ(text.find("SECRET"), std::string::npos) << text;
  }
}

TEST_F(HubTest, ShardsAreFetched) {
  FakeHub hub;
  hub.files["model.safetensors.index.json"] = R"({"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}})";
  hub.files["s1.safetensors"] = "one";
  hub.files["s2.safetensors"] = "two";
  const Path snapshot = fetch(hub);
  EXPECT_EQ(read_file(snapshot / "s2.safetensors"), "two");
  EXPECT_EQ(find_model("org/model"), snapshot);
}

TEST_F(HubTest, OfflineUsesWhatIsThere) {
  set("HF_HUB_OFFLINE", "1");
  EXPECT_THAT(complaint([] { fetch_model("org/model", {}); }), HasSubstr("HF_HUB_OFFLINE"));
  put(".cache/loralens/models/org--model/config.json", "{}");
  put(".cache/loralens/models/org--model/model.safetensors", "");
  EXPECT_EQ(fetch_model("org/model", {}), folder_ / ".cache/loralens/models/org--model");
  unset("HF_HUB_OFFLINE");
  set("HF_ENDPOINT", "http://127.0.0.1:1");
  EXPECT_EQ(fetch_model("org/model", {.first_wait_seconds = 0.001}), folder_ / ".cache/loralens/models/org--model");
  EXPECT_THAT(complaint([&] { fetch_model("org/model", {.to = folder_ / "to", .first_wait_seconds = 0.001}); }),
              HasSubstr("cannot be reached"));
}

}  // namespace
}  // namespace loralens
