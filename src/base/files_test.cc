// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <csignal>
#include <cstdlib>
#include <optional>

#include "base/digest.h"
#include "base/test_folder.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::vector<std::string> names_in(const Path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Files, BytesComeBackAsWritten) {
  const TestFolder folder;
  std::string bytes = "a\0b\r\n";
  bytes.append(200'000, '\xff');
  write_file(folder.path() / "a", bytes);
  EXPECT_EQ(read_file(folder.path() / "a"), bytes);
  write_file(folder.path() / "a", "");
  EXPECT_EQ(read_file(folder.path() / "a"), "");
  EXPECT_THAT(names_in(folder.path()), testing::ElementsAre("a"));
}

TEST(Files, FailuresSayWhichFile) {
  const TestFolder folder;
  EXPECT_THAT(error_of([&] { read_file(folder.path() / "none"); }), HasSubstr("none: No such file"));
  EXPECT_THAT(error_of([&] { read_file(folder.path()); }), HasSubstr("is a folder"));
  EXPECT_THAT(error_of([&] { write_file(folder.path() / "no" / "a", "x"); }), HasSubstr("no/a: No such file"));
}

TEST(Files, AFailedWriteLeavesWhatWasThere) {
  const TestFolder folder;
  fs::create_directories(folder.path() / "a" / "b");  // a folder that is not empty cannot be replaced by a file
  EXPECT_THAT(error_of([&] { write_file(folder.path() / "a", "x"); }), HasSubstr("cannot write"));
  EXPECT_THAT(names_in(folder.path()), testing::ElementsAre("a"));
}

TEST(Files, AFullDiskIsAnErrorWithoutAFile) {
  const TestFolder folder;
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit little{10, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &little);
  const std::string error = error_of([&] { write_file(folder.path() / "a", std::string(100, 'x')); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(error, HasSubstr("/a: File too large"));
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(Files, NeighboursAreLeftAlone) {
  const TestFolder folder;
  folder.write("a.partial", "mine");
  fs::create_symlink(folder.path() / "a.partial", folder.path() / "a");
  write_file(folder.path() / "a", "x");  // replaces the link, not the target of the link
  EXPECT_EQ(read_file(folder.path() / "a"), "x");
  EXPECT_EQ(read_file(folder.path() / "a.partial"), "mine");
  EXPECT_THAT(names_in(folder.path()), testing::ElementsAre("a", "a.partial"));
}

TEST(Files, NamesMayBeAsLongAsTheFileSystemTakes) {
  const TestFolder folder;
  const Path longest = folder.path() / std::string(255, 'n');
  write_file(longest, "x");
  EXPECT_EQ(read_file(longest), "x");
}

TEST(Files, OnlyRegularFilesAreRead) {
  const TestFolder folder;
  ASSERT_EQ(::mkfifo((folder.path() / "fifo").c_str(), 0600), 0);
  fs::create_symlink(folder.path() / "fifo", folder.path() / "link");
  const int server = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{AF_UNIX, "loralens-test-socket"};
  const Path before = fs::current_path();
  fs::current_path(folder.path());  // a socket address holds only short paths
  ASSERT_EQ(::bind(server, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  fs::current_path(before);
  const std::vector<std::pair<Path, std::string>> cases = {{folder.path() / "fifo", "is a FIFO"},
                                                           {folder.path() / "link", "is a FIFO"},
                                                           {folder.path() / "loralens-test-socket", "is a socket"},
                                                           {"/dev/zero", "is a device"},
                                                           {folder.path(), "is a folder"},
                                                           {folder.path() / "none", "No such file"}};
  for (const auto& [path, words] : cases) {
    EXPECT_THAT(error_of([&] { check_regular_file(path); }), HasSubstr(words));
    EXPECT_THAT(error_of([&] { read_file(path); }), HasSubstr(words));
    EXPECT_THAT(error_of([&] { sha256_of_file(path); }), HasSubstr(words));
  }
  ::close(server);
}

TEST(Files, WhatIsTooLongForItsKindIsNotRead) {
  const TestFolder folder;
  const Path file = folder.write("a", "12345");
  EXPECT_EQ(read_file(file, 5), "12345");
  EXPECT_THAT(error_of([&] { read_file(file, 4); }), HasSubstr("has more than"));
  fs::resize_file(file, uint64_t{1} << 40);  // a sparse file
  EXPECT_THAT(error_of([&] { read_file(file); }), HasSubstr("has more than 1024 MB"));
  EXPECT_FALSE(read_file("/proc/self/status").empty());  // its st_size is 0, but it has content
}

TEST(Files, RelativePathsAreRelativeToTheFolder) {
  EXPECT_EQ(relative_to("/data", "a/b.wav"), Path("/data/a/b.wav"));
  EXPECT_EQ(relative_to("/data", "/else/b.wav"), Path("/else/b.wav"));
}

// Sets or unsets an environment variable until the end of the scope.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    value ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  ~Variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST(Files, TheCacheIsWhereTheUserWantsIt) {
  const Variable home("HOME", "/home/someone");
  {
    const Variable cache("XDG_CACHE_HOME", "/big/cache");
    EXPECT_EQ(cache_folder(), Path("/big/cache/loralens"));
  }
  for (const char* unset : {static_cast<const char*>(nullptr), ""}) {
    const Variable cache("XDG_CACHE_HOME", unset);
    EXPECT_EQ(cache_folder(), Path("/home/someone/.cache/loralens"));
    const Variable nowhere("HOME", "");
    EXPECT_THAT(error_of([] { cache_folder(); }), HasSubstr("neither XDG_CACHE_HOME nor HOME"));
  }
}

}  // namespace
}  // namespace loralens
