// SPDX-License-Identifier: Apache-2.0
#include "hub/hub.h"

#include "hub/http.h"
#include "hub/test_hub.h"

namespace loralens {
namespace {

using testing::AllOf;

TEST_F(HubTest, NamesBecomeRepositories) {
  EXPECT_EQ(repository_of("base"), "openai/whisper-base");
  EXPECT_EQ(repository_of("tiny.en"), "openai/whisper-tiny.en");
  EXPECT_EQ(repository_of("large-v3-turbo"), "openai/whisper-large-v3-turbo");
  EXPECT_EQ(repository_of("org/name-1.0"), "org/name-1.0");
  EXPECT_EQ(repository_of("base@v1"), "openai/whisper-base@v1");
  EXPECT_EQ(repository_of("org/name@" + commit), "org/name@" + commit);
  EXPECT_EQ(without_revision("org/name@v1"), "org/name");
  for (const char* bad : {"huge", "large.en", "", "base@", "base@a/b", "base@..", "org/name@a@b", "@v1", "../name",
                          "org/../name", "org/na me", "a/b/c", "org/", "/name", "a/.."})
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

TEST_F(HubTest, SnapshotsWithoutARecordOfTheBranch) {
  const auto add = [&](const std::string& of) {
    put(model_ / "snapshots" / of / "config.json", "{}");
    put(model_ / "snapshots" / of / "model.safetensors", "");
    return folder_ / model_ / "snapshots" / of;
  };
  const Path first = add(commit);
  EXPECT_EQ(find_model("org/model"), first);
  EXPECT_EQ(find_model("org/model@" + commit), first);
  const std::string other(40, 'd');
  const Path second = add(other);
  EXPECT_EQ(find_model("org/model"), std::nullopt);
  EXPECT_THAT(complaint([] { resolve_model("org/model"); }),
              AllOf(HasSubstr("2 snapshots"), HasSubstr(first.string()), HasSubstr(second.string())));
  EXPECT_EQ(find_model("org/model@" + other), second);
  put(model_ / "refs/v1", other);
  EXPECT_EQ(find_model("org/model@v1"), second);
  EXPECT_EQ(find_model("org/model@v2"), std::nullopt);
  put(model_ / "refs/main", commit);
  EXPECT_EQ(find_model("org/model"), first);
}

TEST_F(HubTest, ARevisionIsFetched) {
  FakeHub hub;
  hub.revision = "v1";
  set("HF_ENDPOINT", hub.hub.url());
  const Path snapshot = fetch_model("org/model@v1", {.first_wait_seconds = 0.001});
  EXPECT_EQ(snapshot, folder_ / model_ / "snapshots" / commit);
  EXPECT_EQ(read_file(folder_ / model_ / "refs/v1"), commit);
  EXPECT_FALSE(fs::exists(folder_ / model_ / "refs/main"));
  EXPECT_EQ(find_model("org/model@v1"), snapshot);
}

TEST_F(HubTest, AnAdapterIsFetched) {
  FakeHub hub;
  hub.files = {{"adapter_config.json", R"({"base_model_name_or_path": "openai/whisper-base"})"},
               {"adapter_model.safetensors", "weights"},
               {"readme.md", "no"}};
  fetch(hub, folder_ / "to");
  EXPECT_EQ(everything(), (std::vector<std::string>{"to/adapter_config.json", "to/adapter_model.safetensors"}));
  EXPECT_EQ(fetch(hub), folder_ / model_ / "snapshots" / commit);
  hub.files.erase("adapter_model.safetensors");
  EXPECT_THAT(complaint([&] { fetch(hub); }), HasSubstr("no weights of an adapter"));
}

TEST_F(HubTest, TheTokenComesFromTheEnvironmentOrAFile) {
  FakeHub hub;
  const auto token = [&] {
    fetch(hub);
    const std::string head = hub.hub.requests().back().head;
    const auto at = head.find("Bearer ");
    return at == std::string::npos ? "" : head.substr(at + 7, head.find("\r\n", at) - at - 7);
  };
  EXPECT_EQ(token(), "");
  put(".cache/huggingface/token", "hf_own\n");
  EXPECT_EQ(token(), "hf_own");
  put("home/token", "hf_home\n");
  set("HF_HOME", (folder_ / "home").string());
  EXPECT_EQ(token(), "hf_home");
  set("HF_TOKEN_PATH", put("elsewhere", " hf_path \n").string());
  EXPECT_EQ(token(), "hf_path");
  set("HF_TOKEN", "hf_variable");
  EXPECT_EQ(token(), "hf_variable");
  unset("HF_TOKEN");
  put("elsewhere", "two words");
  EXPECT_THAT(complaint([&] { fetch(hub); }), HasSubstr((folder_ / "elsewhere").string()));
}

TEST_F(HubTest, ATokenIsForEncryptedConnectionsAndThisMachine) {
  for (const char* url : {"https://example.org", "http://localhost:80", "http://127.1.2.3:8", "http://[::1]:9/a"})
    EXPECT_TRUE(is_private(url)) << url;
  for (const char* url : {"http://example.org", "http://127.0.0.1.example.org", "http://localhost.example.org",
                          "http://10.0.0.1", "ftp://localhost", "http://127.0.0.1@example.org", "not a url"})
    EXPECT_FALSE(is_private(url)) << url;
}

TEST_F(HubTest, TheCacheIsWhereTheEnvironmentSays) {
  const auto model_in = [&](const Path& hub) {
    const Path model = hub / "models--openai--whisper-base";
    put(model / "refs/main", commit);
    put(model / "snapshots" / commit / "config.json", "{}");
    put(model / "snapshots" / commit / "model.safetensors", "");
    return folder_ / model / "snapshots" / commit;
  };
  const Path in_xdg = model_in("xdg/huggingface/hub"), in_home = model_in("home/hub"), in_cache = model_in("cache"),
             in_old = model_in("old");
  EXPECT_EQ(find_model("base"), std::nullopt);
  set("XDG_CACHE_HOME", (folder_ / "xdg").string());
  EXPECT_EQ(find_model("base"), in_xdg);
  set("HF_HOME", (folder_ / "home").string());
  EXPECT_EQ(find_model("base"), in_home);
  set("HUGGINGFACE_HUB_CACHE", (folder_ / "old").string());
  EXPECT_EQ(find_model("base"), in_old);
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
  EXPECT_EQ(everything(),
            (std::vector<std::string>{blobs / hub.announced, blobs / "tag-of-config.json",
                                      blobs / "tag-of-tokenizer.json", model_ / "refs/main", links / "config.json",
                                      links / "model.safetensors", links / "tokenizer.json"}));
  EXPECT_EQ(read_file(folder_ / model_ / "refs/main"), commit);
  EXPECT_EQ(fs::read_symlink(snapshot / "model.safetensors"), Path("../../blobs") / hub.announced);
  EXPECT_EQ(read_file(snapshot / "model.safetensors"), hub.weights);
  EXPECT_EQ(resolve_model("org/model"), snapshot);
  fetch(hub);
  EXPECT_EQ(hub.storage.requests().size(), 1u);  // a complete file is not downloaded again
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
    fetch(hub, folder_ / "to");  // files of an earlier attempt are accepted
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
