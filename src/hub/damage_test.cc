// SPDX-License-Identifier: Apache-2.0
// Damaged or hostile files in the cache and in downloads, and secrets that must not be printed.
#include "hub/test_hub.h"

namespace loralens {
namespace {

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

// For these shards the hub gives no checksum.
TEST_F(HubTest, WhatCannotBeAFileOfAModelIsRefused) {
  FakeHub hub;
  hub.files["model.safetensors.index.json"] = R"({"weight_map":{"a":"s1.safetensors"}})";
  for (const auto& [content, fault] : std::map<std::string, std::string>{
           {"", "is empty"}, {"\n<!DOCTYPE html><p>Sign in", "is a web page"}, {"<HTML>", "is a web page"}}) {
    hub.files["s1.safetensors"] = content;
    EXPECT_THAT(complaint([&] { fetch(hub, folder_ / "to"); }), HasSubstr("the downloaded file " + fault));
    EXPECT_FALSE(fs::exists(folder_ / "to/s1.safetensors"));
    EXPECT_FALSE(fs::exists(folder_ / "to/config.json"));
  }
  hub.files["s1.safetensors"] = "one";
  for (const char* content : {"", "{\"a\":", "<html></html>"}) {
    hub.files["config.json"] = content;
    EXPECT_THAT(complaint([&] { fetch(hub, folder_ / "to"); }), HasSubstr("the downloaded file is"));
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

}  // namespace
}  // namespace loralens
