// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/test_folder.h"
#include "corpus/readers/readers.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Listing {
  std::vector<std::string> files;
  std::string log;
};

Listing listing_of(const Path& root) {
  Listing listing;
  testing::internal::CaptureStderr();
  for (const Path& path : files_below(root)) listing.files.push_back(name_below(root, path));
  listing.log = testing::internal::GetCapturedStderr();
  return listing;
}

TEST(Tree, LinksToFoldersAreFollowed) {
  const TestFolder folder;
  folder.write("store/sad/b.wav", "");
  folder.write("store/sad/deep/c.wav", "");
  folder.write("corpus/anger/a.wav", "");
  fs::create_directory_symlink(folder.path() / "store/sad", folder.path() / "corpus/sad");
  fs::create_directory_symlink("../store", folder.path() / "corpus/.hidden");
  const Listing listing = listing_of(folder.path() / "corpus");
  EXPECT_THAT(listing.files, ElementsAre("anger/a.wav", "sad/b.wav", "sad/deep/c.wav"));
  EXPECT_THAT(listing.log, IsEmpty());
  EXPECT_THAT(read_corpus("folders", folder.path() / "corpus").summary, HasSubstr("by label: anger 1, sad 2\n"));
}

TEST(Tree, EachFolderIsReadOnceAndOtherLinksAreCounted) {
  const TestFolder folder;
  folder.write("corpus/happy/a.wav", "");
  for (const char* name : {"again", "joy"}) fs::create_directory_symlink("happy", folder.path() / "corpus" / name);
  fs::create_directory_symlink(".", folder.path() / "corpus/happy/self");
  fs::create_directory_symlink("../..", folder.path() / "corpus/happy/up");
  fs::create_symlink("gone.wav", folder.path() / "corpus/happy/b.wav");
  fs::create_symlink("round.wav", folder.path() / "corpus/happy/round.wav");
  const Listing listing = listing_of(folder.path() / "corpus");
  EXPECT_THAT(listing.files, ElementsAre("happy/a.wav"));
  EXPECT_THAT(listing.log, HasSubstr("passed over 2 links that lead nowhere, such as "));
  EXPECT_THAT(listing.log, HasSubstr("happy/b.wav\n"));
  EXPECT_THAT(listing.log, HasSubstr("passed over 4 links that lead to a folder that is read under another path or"));
  EXPECT_THAT(listing_of(folder.path() / "corpus").log, IsEmpty()) << "each line is logged once";
}

TEST(Tree, AFolderThatCannotBeReadIsNamed) {
  if (::geteuid() == 0) GTEST_SKIP() << "skipped: the superuser may read every folder";
  const TestFolder folder;
  const Path closed = folder.write("sad/a.wav", "").parent_path();
  fs::permissions(closed, fs::perms::none);
  const std::string message = error_of([&] { files_below(folder.path()); });
  fs::permissions(closed, fs::perms::owner_all);
  EXPECT_THAT(message, testing::StartsWith(closed.string() + ": it cannot be read (Permission denied): allow it"));
}

}  // namespace
}  // namespace loralens
