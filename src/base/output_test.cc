// SPDX-License-Identifier: Apache-2.0
#include "base/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> names_in(const Path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

// A Complaint that treats a file with the text "mine", or a folder with a file "mine" in it, as the user's.
std::string about_mine(const Path& path) {
  if (!fs::is_directory(path)) return read_file(path) == "mine" ? "it is mine" : "";
  return fs::exists(path / "mine") ? "mine in it is not of loralens" : "";
}

void build(const Path& target, bool force, Build how = Build::at_once) {
  OutputFolder out(target, force, about_mine, how);
  write_file(out.path() / "new", "2");
  out.commit();
}

TEST(OutputFolders, AppearAtCommit) {
  const TestFolder folder;
  const Path target = folder.path() / "run";
  for (const Build how : {Build::at_once, Build::resumable}) {
    {
      OutputFolder out(folder.path() / "run/", false, about_mine, how);  // a trailing slash is ignored
      EXPECT_EQ(out.path().parent_path(), folder.path());
      write_file(out.path() / "a", "1");
      EXPECT_FALSE(fs::exists(target));
      out.commit();
    }
    EXPECT_THAT(names_in(folder.path()), ElementsAre("run"));
    EXPECT_THAT(names_in(target), ElementsAre("a"));  // no lock file
    struct stat status;
    ASSERT_EQ(::stat(target.c_str(), &status), 0);
    const mode_t mask = ::umask(0);
    ::umask(mask);
    EXPECT_EQ(status.st_mode & 0777, 0777 & ~mask);
    fs::remove_all(target);
  }
}

TEST(OutputFolders, VanishWithoutCommit) {
  const TestFolder folder;
  for (const Build how : {Build::at_once, Build::resumable}) {
    OutputFolder out(folder.path() / "run", false, about_mine, how);
    write_file(out.path() / "a", "1");
  }
  EXPECT_THAT(names_in(folder.path()), IsEmpty());
}

TEST(OutputFolders, AreNotOverwrittenWithoutForce) {
  const TestFolder folder;
  folder.write("run/old", "1");
  for (const Build how : {Build::at_once, Build::resumable}) {
    EXPECT_THAT(error_of([&] { build(folder.path() / "run", false, how); }), HasSubstr("give --force"));
    EXPECT_THAT(names_in(folder.path()), ElementsAre("run"));
    {
      OutputFolder out(folder.path() / "run", true, about_mine, how);
      write_file(out.path() / "new", "2");
    }
    EXPECT_THAT(names_in(folder.path() / "run"), ElementsAre("old"));  // a failed job keeps the old result
  }
  build(folder.path() / "run", true);
  EXPECT_THAT(names_in(folder.path()), ElementsAre("run"));
  EXPECT_THAT(names_in(folder.path() / "run"), ElementsAre("new"));
  build(folder.path() / "run", true, Build::resumable);
  EXPECT_THAT(names_in(folder.path()), ElementsAre("run"));
}

TEST(OutputFolders, LeaveNeighboursAlone) {
  const TestFolder folder;
  for (const char* neighbour : {"run.old/a", "run.partial/a", "run.old-abcdef", "run.partial-abcdef/a"})
    folder.write(neighbour, "1");
  build(folder.path() / "run", false);
  build(folder.path() / "run", true);
  EXPECT_THAT(names_in(folder.path()),
              ElementsAre("run", "run.old", "run.old-abcdef", "run.partial", "run.partial-abcdef"));
  EXPECT_EQ(read_file(folder.path() / "run.partial/a"), "1");
}

TEST(OutputFolders, ForceReplacesOwnFoldersOnly) {
  const TestFolder folder;
  folder.write("run/mine", "1");
  folder.write("file", "2");
  folder.write("elsewhere/old", "3");
  fs::create_directory_symlink(folder.path() / "elsewhere", folder.path() / "link");
  fs::create_symlink(folder.path() / "nowhere", folder.path() / "dangling");
  ASSERT_EQ(::mkfifo((folder.path() / "fifo").c_str(), 0600), 0);
  const auto names = names_in(folder.path());
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"run", "mine in it is not of loralens"}, {"file", "is a file"},
      {"link", "is a symbolic link"},           {"link/", "is a symbolic link"},
      {"dangling", "is a symbolic link"},       {"fifo", "is a FIFO"},
      {"run/..", "no name for an output"},      {"run/.", "no name for an output"}};
  for (const auto& [name, words] : cases)
    EXPECT_THAT(error_of([&] { build(folder.path() / name, true); }), HasSubstr(words)) << name;
  EXPECT_THAT(error_of([] { build("/", true); }), HasSubstr("no name for an output"));
  EXPECT_EQ(names_in(folder.path()), names);
  EXPECT_EQ(read_file(folder.path() / "run/mine"), "1");
  EXPECT_EQ(read_file(folder.path() / "elsewhere/old"), "3");
}

TEST(OutputFolders, WhatHasAppearedMeanwhileStaysAndSoDoesTheWork) {
  const TestFolder folder;
  Path partial;
  const auto meanwhile = [&](bool force) {
    OutputFolder out(folder.path() / "run", force, about_mine);
    partial = out.path();
    write_file(out.path() / "new", "2");
    folder.write("run/mine", "1");
    out.commit();
  };
  for (const bool force : {false, true}) {
    const std::string error = error_of([&] { meanwhile(force); });
    EXPECT_THAT(error, HasSubstr("the finished folder stays in " + partial.string()));
    EXPECT_THAT(names_in(partial), ElementsAre("new"));
    EXPECT_EQ(read_file(folder.path() / "run/mine"), "1");
    fs::remove_all(folder.path() / "run");
  }
}

TEST(OutputFolders, UnfinishedWorkIsTakenUpRefusedOrDiscarded) {
  const TestFolder folder;
  const Path target = folder.path() / "run";
  EXPECT_THAT(error_of([&] { build(target, false, Build::resume); }), HasSubstr("nothing to resume"));
  {
    OutputFolder out(target, false, about_mine, Build::resumable);  // no .partial folder yet: a new one is made
    EXPECT_EQ(out.path(), folder.path() / "run.partial");
    write_file(out.path() / "epoch", "3");
    write_file(out.path() / "a.csv.partial-abc123", "cut");  // temporary file of a killed process
    out.keep();
  }
  EXPECT_THAT(error_of([&] { build(target, false, Build::resumable); }), HasSubstr("--resume"));
  {
    OutputFolder out(target, false, about_mine, Build::resume);
    EXPECT_EQ(read_file(out.path() / "epoch"), "3");
    EXPECT_THAT(names_in(out.path()), ElementsAre(".lock", "epoch"));
  }
  EXPECT_TRUE(fs::exists(folder.path() / "run.partial/epoch"));  // a resumed folder is kept without commit()
  OutputFolder out(target, true, about_mine, Build::resumable);
  EXPECT_FALSE(fs::exists(out.path() / "epoch"));
}

TEST(OutputFolders, AnotherPartialFolderIsNeverTaken) {
  const TestFolder folder;
  const Path target = folder.path() / "run", thesis = folder.write("run.partial/thesis.txt", "mine");
  folder.write("run.partial/config.toml", "epochs = 1\n");
  for (const char* lock : {static_cast<const char*>(nullptr), "", "a lock of another program"}) {
    if (lock) folder.write("run.partial/.lock", lock);
    for (const bool force : {false, true})
      EXPECT_THAT(error_of([&] { build(target, force, Build::resumable); }), HasSubstr("no interrupted work"));
    EXPECT_THAT(error_of([&] { build(target, false, Build::resume); }), HasSubstr("no interrupted work"));
    EXPECT_TRUE(fs::exists(thesis));
  }
}

TEST(OutputFolders, ForceKeepsWhatAUserPutIntoUnfinishedWork) {
  const TestFolder folder;
  const Path target = folder.path() / "run";
  {
    OutputFolder out(target, false, about_mine, Build::resumable);
    folder.write("run.partial/mine", "1");
  }  // the destructor of a failed job does not remove it either
  EXPECT_THAT(error_of([&] { build(target, true, Build::resumable); }), HasSubstr("mine in it"));
  EXPECT_EQ(read_file(folder.path() / "run.partial/mine"), "1");
}

TEST(OutputFolders, HaveOneWriter) {
  const TestFolder folder;
  OutputFolder first(folder.path() / "run", false, about_mine, Build::resumable);
  write_file(first.path() / "a", "1");
  for (const bool force : {false, true})
    EXPECT_THAT(error_of([&] { build(folder.path() / "run", force, Build::resumable); }),
                HasSubstr("another process is writing"));
  EXPECT_EQ(read_file(first.path() / "a"), "1");
  OutputFolder other(folder.path() / "b", false, about_mine);  // folders built at_once have different temporary names
  EXPECT_NE(OutputFolder(folder.path() / "b", false, about_mine).path(), other.path());
}

TEST(OutputFolders, NeedAName) {
  EXPECT_THAT(error_of([] { build("", false); }), HasSubstr("is empty"));
}

TEST(OutputFiles, ReplaceOwnFilesOnly) {
  const TestFolder folder;
  const Path own = folder.write("own", "1"), mine = folder.write("mine", "mine");
  const auto check = [](const Path& path, bool force) {
    return error_of([&] { check_output_file(path, force, about_mine); });
  };
  EXPECT_EQ(check(folder.path() / "new", false), "");
  EXPECT_THAT(check(own, false), HasSubstr("exists already"));
  EXPECT_EQ(check(own, true), "");
  EXPECT_THAT(check(mine, true), HasSubstr("it is mine"));
  EXPECT_THAT(check(folder.path(), true), HasSubstr("is a folder"));
  EXPECT_THAT(check(folder.path() / "", true), HasSubstr("names a folder"));
  EXPECT_THAT(check("/dev/null", true), HasSubstr("is a device"));
  EXPECT_THAT(check(folder.path() / "none" / "a", false), HasSubstr("No such file"));
  EXPECT_THAT(check(own / "a", false), HasSubstr("Not a directory"));
  fs::create_symlink(folder.path() / "nowhere", folder.path() / "link");
  EXPECT_THAT(check(folder.path() / "link", false), HasSubstr("exists already"));
  EXPECT_THAT(check(folder.path() / "link", true), HasSubstr("is a symbolic link"));
}

TEST(ReadFiles, AreNoOutputs) {
  const TestFolder folder;
  const Path table = folder.write("data/clips.csv", "1"), audio = folder.write("data/audio/a.wav", "2");
  fs::create_hard_link(table, folder.path() / "same.csv");
  fs::create_directories(folder.path() / "other");
  fs::create_hard_link(audio, folder.path() / "other/b.wav");
  fs::create_directory_symlink(folder.path() / "data", folder.path() / "link");
  const auto check = [&](const std::string& output, const std::vector<Path>& inputs) {
    return error_of([&] { check_inputs_stay(folder.path() / output, inputs); });
  };
  EXPECT_THAT(check("data/clips.csv", {table}), HasSubstr("is an input of this command"));
  EXPECT_THAT(check("data/./audio/../clips.csv", {folder.path() / "link/clips.csv"}),
              HasSubstr("is an input of this command"));
  EXPECT_THAT(check("same.csv", {table}), HasSubstr("is an input of this command"));
  EXPECT_THAT(check("data", {folder.path() / "link/audio/a.wav"}), HasSubstr("holds audio/a.wav"));
  EXPECT_THAT(check("other", {audio}), HasSubstr("holds b.wav"));
  EXPECT_THAT(check("data/audio", {folder.path() / "link"}), HasSubstr("is an input of this command"));
  EXPECT_THAT(check("data", {folder.path() / "data/"}), HasSubstr("is an input of this command"));
  folder.write("data/audio/deep/new", "3");
  EXPECT_THAT(check("data/audio/deep/none", {folder.path() / "data"}), "");  // does not exist yet
  EXPECT_THAT(check("data/audio", {table}), "");
  EXPECT_THAT(check("other", {table, folder.path() / "missing"}), "");
}

}  // namespace
}  // namespace loralens
