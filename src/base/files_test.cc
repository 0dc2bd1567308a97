#include "base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>

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
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "needs /dev/full";
  const TestFolder folder;
  fs::create_symlink("/dev/full", folder.path() / "a.partial");
  EXPECT_THAT(error_of([&] { write_file(folder.path() / "a", "x"); }), HasSubstr("No space left on device"));
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(Files, RelativePathsAreRelativeToTheFolder) {
  EXPECT_EQ(relative_to("/data", "a/b.wav"), Path("/data/a/b.wav"));
  EXPECT_EQ(relative_to("/data", "/else/b.wav"), Path("/else/b.wav"));
}

// A variable of the environment for the length of a test.
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

TEST(OutputFolders, AppearAtCommit) {
  const TestFolder folder;
  const Path target = folder.path() / "run";
  {
    OutputFolder out(folder.path() / "run/", false);  // a slash at the end changes nothing
    EXPECT_EQ(out.path(), folder.path() / "run.partial");
    write_file(out.path() / "a", "1");
    EXPECT_FALSE(fs::exists(target));
    out.commit();
  }
  EXPECT_THAT(names_in(folder.path()), testing::ElementsAre("run"));
  EXPECT_THAT(names_in(target), testing::ElementsAre("a"));  // no lock file
}

TEST(OutputFolders, VanishWithoutCommit) {
  const TestFolder folder;
  {
    OutputFolder out(folder.path() / "run", false);
    write_file(out.path() / "a", "1");
  }
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(OutputFolders, AreNotOverwrittenWithoutForce) {
  const TestFolder folder;
  folder.write("run/old", "1");
  EXPECT_THAT(error_of([&] { OutputFolder(folder.path() / "run", false); }), HasSubstr("give --force"));
  EXPECT_THAT(names_in(folder.path()), testing::ElementsAre("run"));
  {
    OutputFolder out(folder.path() / "run", true);
    write_file(out.path() / "new", "2");
  }
  EXPECT_THAT(names_in(folder.path() / "run"), testing::ElementsAre("old"));  // a failed job keeps the old result
  {
    OutputFolder out(folder.path() / "run", true);
    write_file(out.path() / "new", "2");
    out.commit();
  }
  EXPECT_THAT(names_in(folder.path()), testing::ElementsAre("run"));
  EXPECT_THAT(names_in(folder.path() / "run"), testing::ElementsAre("new"));
}

TEST(OutputFolders, UnfinishedWorkIsTakenUpRefusedOrDiscarded) {
  const TestFolder folder;
  const Path target = folder.path() / "run";
  EXPECT_THAT(error_of([&] { OutputFolder(target, false, Unfinished::take_up); }), HasSubstr("nothing to resume"));
  {
    OutputFolder out(target, false, Unfinished::refuse);  // nothing there: a new one
    write_file(out.path() / "epoch", "3");
    out.keep();
  }
  EXPECT_THAT(error_of([&] { OutputFolder(target, false, Unfinished::refuse); }), HasSubstr("--resume"));
  {
    OutputFolder out(target, false, Unfinished::take_up);
    EXPECT_EQ(read_file(out.path() / "epoch"), "3");
    out.keep();
  }
  OutputFolder out(target, false, Unfinished::discard);
  EXPECT_FALSE(fs::exists(out.path() / "epoch"));
}

TEST(OutputFolders, ForceStartsAgain) {
  const TestFolder folder;
  folder.write("run.partial/epoch", "3");
  OutputFolder out(folder.path() / "run", true, Unfinished::refuse);
  EXPECT_FALSE(fs::exists(out.path() / "epoch"));
}

TEST(OutputFolders, HaveOneWriter) {
  const TestFolder folder;
  OutputFolder first(folder.path() / "run", false);
  write_file(first.path() / "a", "1");
  EXPECT_THAT(error_of([&] { OutputFolder(folder.path() / "run", false); }), HasSubstr("another process is writing"));
  EXPECT_EQ(read_file(first.path() / "a"), "1");
}

TEST(OutputFolders, NeedAName) {
  EXPECT_THAT(error_of([] { OutputFolder("", false); }), HasSubstr("is empty"));
}

}  // namespace
}  // namespace loralens
